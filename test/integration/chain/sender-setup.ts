import type { Knex } from 'knex';
import type { ChainClient } from '../../../services/chain/clients';
import type { ChainTransactionSender } from '../../../services/chain/port';
import { createTransactionSender, DEFAULT_SENDER_POLICY } from '../../../services/chain/transaction-sender';
import { createKnex } from '../../../services/database/knex';
import { newId } from '../../../services/database/new-id';
import { inOrganization } from '../../../services/database/transaction';
import { createDevelopmentCustody } from '../../../services/providers/custody/development';
import type { Custody } from '../../../services/providers/custody/port';
import { createTestDatabase } from '../../setup/database';

/** Confirmations of the tests' chain: one block on top of the transaction's own. */
export const CONFIRMATIONS = 2;

export interface TestClock {
  now(): Date;
  advance(milliseconds: number): void;
}

function startTestClock(): TestClock {
  let now = Date.parse('2026-11-01T00:00:00Z');
  return {
    now: () => new Date(now),
    advance(milliseconds) {
      now += milliseconds;
    },
  };
}

export interface SenderStack {
  readonly database: Knex;
  readonly workerDatabase: Knex;
  readonly custody: Custody;
  readonly clock: TestClock;
  /** A sender with its own connection pool, as another process would have. */
  newSender(client: ChainClient): ChainTransactionSender;
  createOrganization(): Promise<string>;
  stop(): Promise<void>;
}

export async function startSenderStack(): Promise<SenderStack> {
  const testDatabase = await createTestDatabase();
  const pools: Knex[] = [];
  const open = (url: string, size: number) => {
    const pool = createKnex(url, size, 'chain-test');
    pools.push(pool);
    return pool;
  };
  const database = open(testDatabase.urls.escudo_app, 4);
  const workerDatabase = open(testDatabase.urls.escudo_worker, 2);
  const custody = createDevelopmentCustody(
    'legal winner thank year wave sausage worth useful legal winner thank yellow',
  );
  const clock = startTestClock();
  return {
    database,
    workerDatabase,
    custody,
    clock,
    newSender: (client) =>
      createTransactionSender({
        database: open(testDatabase.urls.escudo_app, 8),
        scanDatabase: workerDatabase,
        client,
        custody,
        clock,
        policy: { ...DEFAULT_SENDER_POLICY, confirmations: CONFIRMATIONS },
      }),
    async createOrganization() {
      const id = newId();
      await inOrganization(database, id, (trx) => trx('organizations').insert({ id, name: 'Test', mode: 'test' }));
      return id;
    },
    async stop() {
      await Promise.all(pools.map((pool) => pool.destroy()));
      await testDatabase.drop();
    },
  };
}
