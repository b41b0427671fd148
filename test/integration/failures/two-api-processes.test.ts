import '../../../services/database/pg-types';
import { newSecrets } from '../../../embedded/secrets';
import { type ApiProcess, newMessageIds, startApiProcess } from '../../builders/api-process';
import { createSpendingWorld } from '../../builders/spending-world';
import { type OpenTestDatabase, openTestDatabase } from '../../setup/database';

const USDC = 1_000_000n;

let database: OpenTestDatabase;
let apis: ApiProcess[];

beforeAll(async () => {
  database = await openTestDatabase();
  const secrets = newSecrets();
  apis = await Promise.all([
    startApiProcess(database.urls, 100, secrets),
    startApiProcess(database.urls, 100, secrets),
  ]);
});

afterAll(async () => {
  await Promise.all(apis.map((api) => api.stop()));
  await database.drop();
});

function api(index: number): ApiProcess {
  const chosen = apis[index % apis.length];
  if (!chosen) throw new Error('no api process');
  return chosen;
}

test('200 signed authorizations racing on one account over two api processes approve exactly what the balance carries', async () => {
  const { accounts } = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 377n * USDC } });
  const [account] = accounts;
  if (!account) throw new Error('no account');
  // All at once. What a slow machine could not decide in the network's time was declined as late and is asked again.
  const results: Record<string, number> = { APPROVED: 0, INSUFFICIENT_FUNDS: 0 };
  let undecided = 200;
  for (let round = 0; undecided > 0 && round < 20; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: undecided }, (_, index) => api(index).authorize(account, 1_000)),
    );
    for (const { result } of answers) {
      if (result !== 'APPROVED' && result !== 'INSUFFICIENT_FUNDS') continue;
      results[result] = (results[result] ?? 0) + 1;
      undecided -= 1;
    }
  }
  // 377 USDC carry 37 holds of 10.05.
  expect(results).toEqual({ APPROVED: 37, INSUFFICIENT_FUNDS: 163 });
  const { rows } = await database.superuser.query(
    `SELECT pending_debits, posted_credits - pending_debits AS free FROM ledger_accounts WHERE account_id = $1 AND type = 'cardholder.funds'`,
    [account.accountId],
  );
  expect(rows).toEqual([{ pending_debits: 37n * 10_050_000n, free: 377n * USDC - 37n * 10_050_000n }]);
});

test('the same signed authorization 20 times at once over two api processes gives one hold and one answer', async () => {
  const { accounts, organizationId } = await createSpendingWorld(database.superuserUrl, {
    accounts: 1,
    funds: { USDC: 500n * USDC },
  });
  const [account] = accounts;
  if (!account) throw new Error('no account');
  const ids = newMessageIds();
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => api(index).authorize(account, 1_000, ids)),
  );
  expect(new Set(answers.map((answer) => answer.result))).toEqual(new Set(['APPROVED']));
  const { rows } = await database.superuser.query(
    `SELECT (SELECT count(*) FROM authorizations WHERE organization_id = $1)::int AS authorizations,
       (SELECT count(*) FROM ledger_transfers WHERE organization_id = $1 AND kind = 'pending')::int AS holds`,
    [organizationId],
  );
  expect(rows).toEqual([{ authorizations: 1, holds: 1 }]);

  const reused = await api(0).authorize(account, 9_000, ids);
  expect(reused.result).not.toBe('APPROVED');
  const after = await database.superuser.query(
    'SELECT count(*)::int AS n FROM ledger_transfers WHERE organization_id = $1 AND kind = $2',
    [organizationId, 'pending'],
  );
  expect(after.rows).toEqual([{ n: 1 }]);
});
