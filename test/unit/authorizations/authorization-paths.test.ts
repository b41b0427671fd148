import type { Pool } from 'pg';
import { createAuthorizationPaths } from '../../../services/authorizations/authorization-paths';
import type { AuthorizationRequest } from '../../../services/providers/processor/port';

const request = { vendor: 'lithic', cardToken: 'token-1' } as AuthorizationRequest;
const program = { organizationId: 'organization-1', programId: 'program-1', fundingAt: 'clearing' };

/** Answers a statement by its name; one without an answer is never heard of again. */
function poolOf(answers: Readonly<Record<string, readonly unknown[]>>): Pool {
  const query = ({ name }: { name: string }) =>
    answers[name] === undefined ? new Promise(() => undefined) : Promise.resolve({ rows: answers[name] });
  return { query } as unknown as Pool;
}

function pathsOn(pool: Pool) {
  const failures: unknown[] = [];
  const paths = createAuthorizationPaths({ pool, failed: (error) => failures.push(error), waitMaxMs: 20 });
  return { paths, failures };
}

test('a card of a program on the workflow path is answered by its workflows', async () => {
  const { paths } = pathsOn(
    poolOf({ 'workflow-programs': [program], 'program-of-card': [{ programId: 'program-1' }] }),
  );
  expect(await paths.workflowProgramOf(request)).toEqual(program);
});

test('a database that never answers leaves every request to the direct path', async () => {
  const { paths } = pathsOn(poolOf({}));
  expect(await paths.workflowProgramOf(request)).toBeNull();
  expect(await paths.workflowProgramOf(request)).toBeNull();
});

test('a card whose program is not named in time is answered directly', async () => {
  const { paths } = pathsOn(poolOf({ 'workflow-programs': [program] }));
  expect(await paths.workflowProgramOf(request)).toBeNull();
});

test('a failure to name the program is told, and the request answered directly', async () => {
  const pool = { query: () => Promise.reject(new Error('connection lost')) } as unknown as Pool;
  const { paths, failures } = pathsOn(pool);
  expect(await paths.workflowProgramOf(request)).toBeNull();
  expect(failures).toHaveLength(1);
});
