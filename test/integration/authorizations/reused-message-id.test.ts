import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { amendAuthorization } from '../../../services/authorizations/amend-authorization';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { createKnex } from '../../../services/database/knex';
import type { AuthorizationRequest } from '../../../services/providers/processor/port';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import { cardEvent, createSpendingWorld, purchase, type WorldAccount } from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const USDC = 1_000_000n;

let database: TestDatabase;
let superuser: Client;
let pool: Pool;
let knex: Knex;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
  knex = createKnex(database.urls.escudo_app, 8, 'reused-message-id-test');
});

afterAll(async () => {
  await knex.destroy();
  await pool.end();
  await superuser.end();
  await database.drop();
});

interface Desk {
  readonly organizationId: string;
  readonly accounts: readonly [WorldAccount, WorldAccount];
  ask(request: AuthorizationRequest): ReturnType<ReturnType<typeof createTestAuthorizer>['authorize']>;
  /** Ids of messages that were told to be somebody's to look at. */
  readonly alerted: string[];
  /** Everything that a purchase could change: rows, holds, counters and versions. */
  standing(): Promise<unknown>;
}

/** Two accounts of one organization with 500 USDC each; the first has made a purchase. `kept`: in memory from then on. */
async function desk(kept: boolean): Promise<Desk> {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 2, funds: { USDC: 500n * USDC } });
  const { organizationId } = world;
  const accounts = [required(world.accounts[0], 'account'), required(world.accounts[1], 'account')] as const;
  const alerted: string[] = [];
  const authorizer = createTestAuthorizer(pool, {
    accountsKeptMax: kept ? 1_000 : 0,
    amend: (request, known) =>
      amendAuthorization({ knex, clock: systemClock, sealer: testSealer(), partner: null }, request, known),
    observer: {
      decided: () => undefined,
      batchRan: () => undefined,
      conflicting: ({ messageId }) => alerted.push(messageId),
      failed: (error) => {
        throw error;
      },
    },
  });
  return {
    organizationId,
    accounts,
    alerted,
    ask: (request) => authorizer.authorize(request),
    standing: async () => {
      const { rows } = await superuser.query(
        `SELECT (SELECT json_agg(z ORDER BY z.id) FROM authorizations z WHERE z.organization_id = $1) AS authorizations,
           (SELECT json_agg(m ORDER BY m.message_id) FROM card_messages m WHERE m.organization_id = $1) AS messages,
           (SELECT json_agg(a ORDER BY a.id) FROM accounts a WHERE a.organization_id = $1) AS accounts,
           (SELECT json_agg(l ORDER BY l.id) FROM ledger_accounts l WHERE l.organization_id = $1) AS balances,
           (SELECT json_agg(c ORDER BY c.scope_id) FROM limit_counters c WHERE c.organization_id = $1) AS counters`,
        [organizationId],
      );
      return rows[0];
    },
  };
}

/** The message again, for another purchase. */
function reusedFor(account: WorldAccount, first: AuthorizationRequest): AuthorizationRequest {
  return purchase(account, 7_700n, { messageId: first.messageId });
}

describe.each([
  ['kept in memory', true],
  ['read anew', false],
])('a message id that comes again for another purchase of an account %s', (_what, kept) => {
  test.each([
    ['the same card', 0],
    ['a card of another account', 1],
  ] as const)('on %s: declined, alerted, and nothing changes', async (_whose, index) => {
    const { accounts, alerted, ask, standing } = await desk(kept);
    const first = purchase(accounts[0], 1_000n);
    expect((await ask(first)).outcome).toBe('approved');
    // The account that is asked is in memory too.
    expect((await ask(purchase(accounts[index], 500n))).outcome).toBe('approved');
    const before = await standing();

    const reply = await ask(reusedFor(accounts[index], first));

    expect(reply).toMatchObject({ outcome: 'declined', approvedAmount: 0n, declineReason: 'duplicate_conflict' });
    expect(alerted).toEqual([first.messageId]);
    expect(await standing()).toEqual(before);
  });

  test('with the same content: its stored answer, and nothing changes', async () => {
    const { accounts, alerted, ask, standing } = await desk(kept);
    const first = purchase(accounts[0], 1_000n);
    const answer = await ask(first);
    const before = await standing();

    const again = await ask({ ...reusedFor(accounts[0], first), contentHash: first.contentHash });

    expect(again).toEqual(answer);
    expect(alerted).toEqual([]);
    expect(await standing()).toEqual(before);
  });

  test('first used by an increment, or by an event: the same', async () => {
    const { accounts, alerted, ask, standing } = await desk(kept);
    const [account, other] = accounts;
    const first = purchase(account, 1_000n);
    await ask(first);
    const increment = purchase(account, 300n, {
      kind: 'incremental_authorization',
      amountBasis: 'delta',
      processorAuthorizationId: first.processorAuthorizationId,
    });
    expect((await ask(increment)).outcome).toBe('approved');
    const clearing = cardEvent(first, 'clearing');
    expect((await recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, clearing)).kind).toBe('recorded');
    await ask(purchase(other, 500n));
    const before = await standing();

    for (const { messageId } of [increment, clearing]) {
      const reply = await ask(purchase(other, 7_700n, { messageId }));
      expect(reply).toMatchObject({ outcome: 'declined', declineReason: 'duplicate_conflict' });
    }
    expect(alerted).toEqual([increment.messageId, clearing.messageId]);
    expect(await standing()).toEqual(before);
  });

  test('as an increment of another purchase: declined, and nothing changes', async () => {
    const { accounts, alerted, ask, standing } = await desk(kept);
    const [account] = accounts;
    const first = purchase(account, 1_000n);
    const second = purchase(account, 2_000n);
    await ask(first);
    await ask(second);
    const before = await standing();

    const reply = await ask(
      purchase(account, 300n, {
        messageId: first.messageId,
        processorAuthorizationId: second.processorAuthorizationId,
        kind: 'incremental_authorization',
        amountBasis: 'delta',
      }),
    );

    expect(reply).toMatchObject({ outcome: 'declined', declineReason: 'duplicate_conflict' });
    expect(alerted).toEqual([first.messageId]);
    expect(await standing()).toEqual(before);
  });
});

test('the id of one organization is free in another', async () => {
  const [here, there] = [await desk(true), await desk(true)];
  const first = purchase(here.accounts[0], 1_000n);
  expect((await here.ask(first)).outcome).toBe('approved');
  expect((await there.ask(reusedFor(there.accounts[0], first))).outcome).toBe('approved');
});
