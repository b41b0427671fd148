import { Pool } from 'pg';
import { createAuthorizerPool } from '../../../services/authorizations/authorizer-pool';
import { namedOnPool } from '../../../services/database/named-query';
import { sumSpent } from '../../../services/programs/program-usage.repository';
import { type OpenTestDatabase, openTestDatabase } from '../../setup/database';

let database: OpenTestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(async () => {
  await database.drop();
});

/** How PostgreSQL would sum what a program has spent, where it knows of hardly any rows: of the last seconds it never knows more. */
async function planOn(pool: Pool): Promise<string> {
  const query = namedOnPool(pool);
  let plan = '';
  const now = new Date();
  const program = {
    organizationId: '01a20093-1905-7792-8912-d60abb71d39d',
    programId: '01a20093-1905-7792-8912-d60abb71d39e',
  };
  await sumSpent(
    async (sql, bindings) => {
      const { rows } = await query(`EXPLAIN ${sql}`, bindings);
      plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      return { rows: [] };
    },
    program,
    { from: new Date(now.getTime() - 30_000), until: now },
    [new Date(now.getTime() - 3_600_000)],
  );
  return plan;
}

test('no purchase is held against each of those that something came on top of, or was cleared of beyond its hold', async () => {
  const pools = [
    createAuthorizerPool(database.urls.escudo_authorizer, 1),
    new Pool({ connectionString: database.urls.escudo_worker, max: 1 }),
  ];
  for (const pool of pools) {
    const plan = await planOn(pool);
    expect(plan.match(/(Hash|Merge) Full Join/g)).toHaveLength(3);
    await pool.end();
  }
});
