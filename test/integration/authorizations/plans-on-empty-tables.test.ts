import { Client } from 'pg';
import { createAuthorizerPool } from '../../../services/authorizations/authorizer-pool';
import { createSpendingWorld, purchase } from '../../builders/spending-world';
import { createTestAuthorizer } from '../../builders/test-authorizer';
import { type OpenTestDatabase, openTestDatabase } from '../../setup/database';

const KEYS: Readonly<Record<string, string>> = {
  accounts: 'accounts_pkey',
  authorizations: 'authorizations_processor_key',
  card_messages: 'card_messages_pkey card_messages_ended_before_index',
  card_routes: 'card_routes_pkey',
  cardholders: 'cardholders_pkey',
  cards: 'cards_pkey',
  ledger_accounts: 'ledger_accounts_pkey ledger_accounts_name_key',
  limit_counters: 'limit_counters_pkey',
  programs: 'programs_pkey',
};

let database: OpenTestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(async () => {
  await database.drop();
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly PlanNode[];
}

function nodesOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

/** The statements that a purchase takes, as they were prepared. */
async function statementsOfPurchase(): Promise<ReadonlyMap<string, string>> {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 2, funds: { USDC: 10n ** 9n } });
  const pool = createAuthorizerPool(database.urls.escudo_authorizer, 1);
  const texts = new Map<string, string>();
  const query = pool.query.bind(pool) as (config: { name?: string; text: string }) => Promise<unknown>;
  Object.assign(pool, {
    query: (config: { name?: string; text: string }) => {
      if (config.name !== undefined) texts.set(config.name, config.text);
      return query(config);
    },
  });
  const authorizer = createTestAuthorizer(pool);
  for (const account of world.accounts) {
    expect(await authorizer.authorize(purchase(account, 500n))).toMatchObject({ outcome: 'approved' });
  }
  await authorizer.close();
  await pool.end();
  return texts;
}

/** What a plan that was made now would look up each table by, for as long as its connection lives. */
async function lookups(statement: string): Promise<readonly PlanNode[]> {
  const client = new Client({
    connectionString: database.urls.escudo_authorizer,
    options: '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off',
  });
  await client.connect();
  try {
    const { rows } = await client.query(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${statement}`);
    const [{ Plan }] = rows[0]['QUERY PLAN'] as [{ Plan: PlanNode }];
    return nodesOf(Plan).filter((node) => node['Node Type'].includes('Scan') && node['Relation Name'] !== undefined);
  } finally {
    await client.end();
  }
}

test('a plan made while tables are empty, small or just analyzed looks every row up by its own key', async () => {
  const statements = await statementsOfPurchase();
  const hot = ['authorization-commit', 'authorization-snapshots'];
  const states = [
    async () => undefined,
    () => database.superuser.query('ANALYZE'),
    async () => {
      await database.superuser.query('DELETE FROM authorizations');
      await database.superuser.query('VACUUM ANALYZE authorizations');
    },
  ];
  for (const reach of states) {
    await reach();
    for (const name of hot) {
      const scans = await lookups(statements.get(name) ?? '');
      expect(scans.length).toBeGreaterThan(4);
      for (const scan of scans) {
        const table = scan['Relation Name'] ?? '';
        const keys = KEYS[table];
        if (keys === undefined) continue;
        expect({
          table,
          index: keys.split(' ').includes(scan['Index Name'] ?? '') ? keys : scan['Index Name'],
        }).toEqual({
          table,
          index: keys,
        });
      }
    }
  }
});

test('no other index of a table that is looked up by key begins with the organization', async () => {
  const { rows } = await database.superuser.query(
    `SELECT i.indexrelid::regclass::text AS name FROM pg_index i
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
     WHERE i.indrelid::regclass::text = ANY($1) AND a.attname = 'organization_id' AND NOT i.indisprimary AND i.indpred IS NULL`,
    [Object.keys(KEYS)],
  );
  expect(rows).toEqual([]);
});
