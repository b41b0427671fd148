import { Client, Pool } from 'pg';
import type { Authorizer, AuthorizerDependencies } from '../../../services/authorizations/authorize-spend';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import type { Receipt } from '../../../services/authorizations/rules/receipt';
import { countersNow, type StoredLimitCounters } from '../../../services/cards/rules/limit-counters';
import { createKnex } from '../../../services/database/knex';
import { newId } from '../../../services/database/new-id';
import { inOrganization } from '../../../services/database/transaction';
import { fundingPolicyForMode } from '../../../services/funding/rules/funding-policy';
import { postTransactions } from '../../../services/ledger/post-transactions';
import { placeAuthorizationHold } from '../../../services/ledger/templates/place-authorization-hold';
import { systemClock } from '../../../services/shared/clock';
import {
  cardEvent,
  createSpendingWorld,
  purchase,
  type SpendingWorld,
  type SpendingWorldOptions,
} from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const USDC = 1_000_000n;

let database: TestDatabase;
let superuser: Client;
const pools: Pool[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
});

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await superuser.end();
  await database.drop();
});

function newAuthorizer(
  options: { now?: () => Date; batchMax?: number; deps?: Partial<AuthorizerDependencies> } = {},
): Authorizer & { readonly failures: unknown[]; readonly conflicts: () => number } {
  const pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
  pools.push(pool);
  const failures: unknown[] = [];
  let conflicts = 0;
  const authorizer = createTestAuthorizer(pool, {
    clock: options.now ? { now: options.now } : systemClock,
    limits: { inFlightMax: 2, besideFrom: 0, batchMax: options.batchMax ?? 64, waitingMax: 1000 },
    ...options.deps,
    observer: {
      decided: () => undefined,
      batchRan: (_size, _ms, count) => {
        conflicts += count;
      },
      conflicting: () => undefined,
      failed: (error) => failures.push(error),
    },
  });
  return Object.assign(authorizer, { failures, conflicts: () => conflicts });
}

function world(options: SpendingWorldOptions): Promise<SpendingWorld> {
  return createSpendingWorld(database.superuserUrl, options);
}

async function one<T>(sql: string, values: unknown[]): Promise<T> {
  const { rows } = await superuser.query(sql, values);
  return rows[0] as T;
}

async function heldFunds(accountId: string): Promise<{ free: bigint; pending: bigint }> {
  return one(
    `SELECT posted_credits - posted_debits - pending_debits AS free, pending_debits AS pending
     FROM ledger_accounts WHERE account_id = $1 AND type = 'cardholder.funds'`,
    [accountId],
  );
}

/** Every materialised balance against the sum of its transfers, and each account's loan hold against its pending loans. */
async function expectBalancesRebuilt(organizationId: string): Promise<void> {
  const { rows } = await superuser.query(
    `SELECT a.id, a.pending_debits, a.posted_credits, a.posted_debits,
       coalesce(sum(t.amount) FILTER (WHERE t.kind = 'pending' AND t.debit_account_id = a.id), 0) AS pending,
       coalesce(sum(t.amount) FILTER (WHERE t.kind = 'posted' AND t.credit_account_id = a.id), 0) AS credited
     FROM ledger_accounts a LEFT JOIN ledger_transfers t ON t.organization_id = a.organization_id
       AND (t.debit_account_id = a.id OR t.credit_account_id = a.id)
     WHERE a.organization_id = $1 AND a.materialised GROUP BY a.organization_id, a.id`,
    [organizationId],
  );
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) {
    expect({ id: row.id, pending: row.pending_debits, credited: row.posted_credits }).toEqual({
      id: row.id,
      pending: row.pending,
      credited: row.credited,
    });
  }
}

describe('a purchase', () => {
  test('is approved, held with buffer and allowance, and recorded with its message, event and workflow command', async () => {
    const authorizer = newAuthorizer();
    const { organizationId, accounts } = await world({ accounts: 1, funds: { USDC: 500n * USDC } });
    const [account] = accounts;
    if (!account) throw new Error('no account');
    const request = purchase(account, 4_250n);

    const reply = await authorizer.authorize(request);

    expect(reply).toMatchObject({ outcome: 'approved', approvedAmount: 4_250n, declineReason: null });
    // 42.50 USD and 0.5 % buffer on the tokens.
    expect(await heldFunds(account.accountId)).toEqual({ free: 500n * USDC - 42_712_500n, pending: 42_712_500n });
    const stored = await one<Record<string, unknown>>('SELECT * FROM authorizations WHERE id = $1', [
      reply.authorizationId,
    ]);
    expect(stored).toMatchObject({
      state: 'pending',
      requested_amount: 4_250n,
      approved_amount: 4_250n,
      hold_amount: 4_250n,
    });
    expect(stored).toMatchObject({ message_id: request.messageId, content_hash: request.contentHash });
    expect(await one('SELECT holds, answered_at FROM outbox_batches WHERE id = $1', [stored.batch_id])).toEqual({
      holds: [[organizationId, reply.authorizationId]],
      answered_at: null,
    });
    expect(
      await one('SELECT id, type, resource_id FROM all_events WHERE organization_id = $1', [organizationId]),
    ).toEqual({ id: reply.authorizationId, type: 'authorization.approved', resource_id: reply.authorizationId });
    expect(authorizer.failures).toEqual([]);
  });

  test('writes the same rows as the ledger template it stands for', async () => {
    const authorizer = newAuthorizer();
    const options: SpendingWorldOptions = {
      accounts: 2,
      funds: { USDC: 30n * USDC },
      collateral: { WETH: 10n ** 18n },
      credit: true,
      fundingPolicy: {
        mode: 'custom',
        sources: [
          { kind: 'stablecoin', asset: 'USDC', keep: 0n },
          { kind: 'loan', ltvMaxBps: null },
        ],
      },
    };
    const { organizationId, accounts } = await world(options);
    const [spent, posted] = accounts;
    if (!spent || !posted) throw new Error('no accounts');
    const reply = await authorizer.authorize(purchase(spent, 10_000n));
    expect(reply.outcome).toBe('approved');
    const { rows: legs } = await superuser.query(
      'SELECT * FROM funding_legs WHERE authorization_id = $1 ORDER BY ordinal',
      [reply.authorizationId],
    );
    expect(legs.map((leg) => leg.kind)).toEqual(['stablecoin_sale', 'loan_draw']);

    const knex = createKnex(database.urls.escudo_app, 1, 'test');
    const draft = placeAuthorizationHold({
      authorizationId: posted.cardId,
      accountId: posted.accountId,
      effectiveAt: new Date(),
      legs: legs.map((leg) => ({
        legId: leg.ordinal === 0 ? posted.cardholderId : posted.accountId,
        kind: leg.kind,
        asset: leg.asset,
        amount: leg.held_amount,
        holdTransferId: leg.ordinal === 0 ? posted.cardId : posted.cardholderId,
      })),
    });
    await inOrganization(knex, organizationId, (trx) => postTransactions(trx, organizationId, [draft]));
    await knex.destroy();

    const transfersOf = async (accountId: string) => {
      const { rows } = await superuser.query(
        `SELECT x.template, t.label, t.kind, t.asset, t.amount, d.type AS debit, c.type AS credit, d.pending_debits, d.posted_debits,
           d.normal, d.materialised, t.leg_id IS NOT NULL AS names_leg
         FROM ledger_transfers t JOIN ledger_transactions x ON x.organization_id = t.organization_id AND x.id = t.transaction_id
         JOIN ledger_accounts d ON d.organization_id = t.organization_id AND d.id = t.debit_account_id
         JOIN ledger_accounts c ON c.organization_id = t.organization_id AND c.id = t.credit_account_id
         WHERE d.account_id = $1 AND x.template = 'place-authorization-hold' ORDER BY t.label`,
        [accountId],
      );
      return rows;
    };
    const fromCommit = await transfersOf(spent.accountId);
    expect(fromCommit).toHaveLength(2);
    expect(fromCommit).toEqual(await transfersOf(posted.accountId));
  });

  test.each([
    [20_000n, 'approved'],
    [20_001n, 'declined'],
  ])('of %s cents against funds that carry exactly 200.00 USD is %s', async (amount, outcome) => {
    const authorizer = newAuthorizer();
    // 200 USD and the 0.5 % buffer.
    const { accounts } = await world({ accounts: 1, funds: { USDC: 201n * USDC } });
    const [account] = accounts;
    if (!account) throw new Error('no account');
    const reply = await authorizer.authorize(purchase(account, amount));
    expect(reply.outcome).toBe(outcome);
    if (outcome === 'declined') {
      expect(reply.declineReason).toBe('insufficient_funds');
      const { receipt } = await one<{ receipt: string }>('SELECT receipt FROM authorizations WHERE id = $1', [
        reply.authorizationId,
      ]);
      expect(JSON.parse(receipt).outcome.largest).toBe('20000');
    }
  });

  test('by an unknown card is declined and leaves nothing behind', async () => {
    const authorizer = newAuthorizer();
    const before = await one(
      'SELECT (SELECT count(*) FROM card_messages)::int AS m, (SELECT count(*) FROM authorizations)::int AS a',
      [],
    );
    const reply = await authorizer.authorize(
      purchase({ accountId: '', cardId: '', cardholderId: '', cardToken: 'no-such-card' }, 100n),
    );
    expect(reply).toEqual({
      outcome: 'declined',
      approvedAmount: 0n,
      declineReason: 'unknown_card',
      balance: null,
      authorizationId: null,
    });
    expect(
      await one(
        'SELECT (SELECT count(*) FROM card_messages)::int AS m, (SELECT count(*) FROM authorizations)::int AS a',
        [],
      ),
    ).toEqual(before);
  });

  test('that reaches its commit after respond_by is stored as declined late and holds nothing', async () => {
    // The clock that decides runs behind the database's, so that the decision itself does not see the lateness.
    const behind = newAuthorizer({ now: () => new Date(Date.now() - 10_000) });
    const { accounts } = await world({ accounts: 1, funds: { USDC: 100n * USDC } });
    const [account] = accounts;
    if (!account) throw new Error('no account');
    const reply = await behind.authorize(purchase(account, 1_000n, { respondBy: new Date(Date.now() - 5_000) }));
    expect(reply).toMatchObject({ outcome: 'declined', declineReason: 'late' });
    expect(await heldFunds(account.accountId)).toEqual({ free: 100n * USDC, pending: 0n });
    const stored = await one('SELECT state, decline_reason, hold_amount FROM authorizations WHERE id = $1', [
      reply.authorizationId,
    ]);
    expect(stored).toEqual({ state: 'declined', decline_reason: 'late', hold_amount: 0n });
    expect(
      await one('SELECT count(*)::int AS n FROM accounts WHERE id = $1 AND spend_counters IS NOT NULL', [
        account.accountId,
      ]),
    ).toEqual({ n: 0 });
  });
});

describe('what comes before its authorization', () => {
  test.each(['reversal', 'clearing'] as const)(
    'a %s leaves nothing held when the authorization arrives',
    async (kind) => {
      const authorizer = newAuthorizer();
      const { accounts } = await world({ accounts: 1, funds: { USDC: 100n * USDC } });
      const [account] = accounts;
      if (!account) throw new Error('no account');
      const request = purchase(account, 1_000n);
      const knex = createKnex(database.urls.escudo_app, 2, 'test');
      expect(
        await recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, cardEvent(request, kind)),
      ).toMatchObject({
        kind: 'recorded',
      });
      await knex.destroy();
      expect(await authorizer.authorize(request)).toMatchObject({ outcome: 'declined', declineReason: 'late' });
      expect((await heldFunds(account.accountId)).pending).toBe(0n);
      // Another purchase on the card is not touched by it.
      expect(await authorizer.authorize(purchase(account, 1_000n))).toMatchObject({ outcome: 'approved' });
    },
  );
});

describe('a repeated message', () => {
  test('sent 20 times at once over two authorizers gives one hold and one answer', async () => {
    const authorizers = [newAuthorizer(), newAuthorizer()];
    const { organizationId, accounts } = await world({ accounts: 1, funds: { USDC: 500n * USDC } });
    const [account] = accounts;
    if (!account) throw new Error('no account');
    const request = purchase(account, 1_000n);
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, index) => authorizers[index % 2]?.authorize(request)),
    );
    expect(new Set(replies.map((reply) => reply?.authorizationId)).size).toBe(1);
    expect(replies.every((reply) => reply?.outcome === 'approved')).toBe(true);
    expect(await heldFunds(account.accountId)).toEqual({ free: 500n * USDC - 10_050_000n, pending: 10_050_000n });
    expect(
      await one('SELECT count(*)::int AS n FROM ledger_transfers WHERE organization_id = $1 AND kind = $2', [
        organizationId,
        'pending',
      ]),
    ).toEqual({ n: 1 });
    await expectBalancesRebuilt(organizationId);
  });

  test('with other content is declined, and the first hold stays as it is', async () => {
    const authorizer = newAuthorizer();
    const { accounts } = await world({ accounts: 1, funds: { USDC: 500n * USDC } });
    const [account] = accounts;
    if (!account) throw new Error('no account');
    const request = purchase(account, 1_000n);
    await authorizer.authorize(request);
    const reply = await authorizer.authorize({ ...request, amount: 9_000n, contentHash: 'other' });
    expect(reply).toMatchObject({ outcome: 'declined', declineReason: 'duplicate_conflict' });
    expect((await heldFunds(account.accountId)).pending).toBe(10_050_000n);
  });
});

describe('many at once', () => {
  test('200 racing purchases on one account over two authorizers approve exactly what the balance carries', async () => {
    const authorizers = [newAuthorizer(), newAuthorizer()];
    const { organizationId, accounts } = await world({ accounts: 1, funds: { USDC: 377n * USDC } });
    const [account] = accounts;
    if (!account) throw new Error('no account');
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, index) => authorizers[index % 2]?.authorize(purchase(account, 1_000n))),
    );
    // Each takes 10.05 USDC: 37 fit into 377, the 38th does not.
    expect(replies.filter((reply) => reply?.outcome === 'approved')).toHaveLength(37);
    expect(replies.filter((reply) => reply?.declineReason === 'insufficient_funds')).toHaveLength(163);
    expect((await heldFunds(account.accountId)).free).toBe(377n * USDC - 37n * 10_050_000n);
    const { windows } = await one<{ windows: StoredLimitCounters }>(
      'SELECT spend_counters AS windows FROM accounts WHERE id = $1',
      [account.accountId],
    );
    expect(countersNow(windows, new Date(), 'Etc/UTC').day).toMatchObject({ amount: 37_000n, count: 37 });
    await expectBalancesRebuilt(organizationId);
    for (const authorizer of authorizers) expect(authorizer.failures).toEqual([]);
  });

  test('a loan hold counts as debt at once: racing borrowers stop at the credit line', async () => {
    const authorizers = [newAuthorizer(), newAuthorizer()];
    const { organizationId, accounts } = await world({
      accounts: 1,
      collateral: { WETH: 10n ** 17n },
      credit: true,
      fundingPolicy: fundingPolicyForMode('borrow', []),
    });
    const [account] = accounts;
    if (!account) throw new Error('no account');
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, index) => authorizers[index % 2]?.authorize(purchase(account, 1_000n))),
    );
    // 0.1 WETH at 3000 USD and 55 % carries 165 USDC: 16 holds of 10.05.
    expect(replies.filter((reply) => reply?.outcome === 'approved')).toHaveLength(16);
    expect(await one('SELECT loan_hold FROM accounts WHERE id = $1', [account.accountId])).toEqual({
      loan_hold: 16n * 10_050_000n,
    });
    await expectBalancesRebuilt(organizationId);
  });

  test('one bad item fails alone', async () => {
    const authorizer = newAuthorizer();
    const { accounts } = await world({ accounts: 12, funds: { USDC: 100n * USDC } });
    const requests = accounts.map((account, index) =>
      // A NUL cannot be stored in PostgreSQL's text: the statement that carries it fails as a whole.
      purchase(account, 500n, index === 7 ? { merchantCurrency: 'U\u0000D' } : {}),
    );
    const replies = await Promise.all(requests.map((request) => authorizer.authorize(request)));
    expect(replies.map((reply) => reply.outcome)).toEqual(
      requests.map((_, index) => (index === 7 ? 'declined' : 'approved')),
    );
    expect(replies[7]?.declineReason).toBe('internal_error');
    expect(authorizer.failures.length).toBeGreaterThan(0);
  });
});

describe('an account kept in memory', () => {
  const mixed: SpendingWorldOptions = {
    accounts: 1,
    funds: { USDC: 60n * USDC, EURC: 20n * USDC },
    collateral: { WETH: 10n ** 18n },
    credit: true,
    fundingPolicy: {
      mode: 'custom',
      sources: [
        { kind: 'stablecoin', asset: 'USDC', keep: 5n * USDC },
        { kind: 'stablecoin', asset: 'EURC', keep: 0n },
        { kind: 'loan', ltvMaxBps: null },
      ],
    },
  };

  async function only(options: SpendingWorldOptions) {
    const { organizationId, programId, accounts } = await world(options);
    const [account] = accounts;
    if (!account) throw new Error('no account');
    return { organizationId, programId, account };
  }

  async function inputsOf(organizationId: string): Promise<unknown[]> {
    const { rows } = await superuser.query<{ receipt: string }>(
      'SELECT receipt FROM authorizations WHERE organization_id = $1 ORDER BY id',
      [organizationId],
    );
    return rows.map(({ receipt }) => {
      const { account, card, credit, outcome } = JSON.parse(receipt) as Receipt;
      const { expires: _expires, ...result } = outcome;
      return { ...account, id: '', card: { ...card, id: '' }, credit, result };
    });
  }

  test('gives the same decisions, from the same inputs, as one that is read for each', async () => {
    const amounts = [1_000n, 3_000n, 2_500n, 90_000_000n, 4_000n, 50_000n, 1n];
    const inputs: unknown[][] = [];
    for (const accountsKeptMax of [0, 100]) {
      const authorizer = newAuthorizer({ deps: { accountsKeptMax } });
      const { organizationId, account } = await only(mixed);
      for (const amount of amounts) await authorizer.authorize(purchase(account, amount));
      inputs.push(await inputsOf(organizationId));
      await expectBalancesRebuilt(organizationId);
      expect(authorizer.conflicts()).toBe(0);
    }
    expect(inputs[0]).toHaveLength(amounts.length);
    expect(inputs[1]).toEqual(inputs[0]);
  });

  test('is read again when it has moved elsewhere', async () => {
    const [here, there] = [newAuthorizer(), newAuthorizer()];
    const { account } = await only({ accounts: 1, funds: { USDC: 30n * USDC } });
    expect((await here.authorize(purchase(account, 1_000n))).outcome).toBe('approved');
    expect((await there.authorize(purchase(account, 1_000n))).outcome).toBe('approved');
    expect((await here.authorize(purchase(account, 1_000n))).declineReason).toBe('insufficient_funds');
    expect((await heldFunds(account.accountId)).pending).toBe(20_100_000n);
  });

  test.each([
    ['the program', "UPDATE programs SET state = 'disabled' WHERE id = $1", 'program_disabled'],
    ['the card', "UPDATE cards SET state = 'paused' WHERE program_id = $1", 'card_paused'],
    ['the cardholder', "UPDATE cardholders SET kyc_state = 'expired' WHERE program_id = $1", 'kyc_not_valid'],
    ['the kind of card', "UPDATE card_products SET state = 'disabled' WHERE program_id = $1", 'product_disabled'],
  ])('does not outlive a change of %s', async (_what, change, reason) => {
    const authorizer = newAuthorizer();
    const { organizationId, programId, account } = await only({ accounts: 1, funds: { USDC: 100n * USDC } });
    const productId = newId();
    await superuser.query(
      "INSERT INTO card_products (organization_id, id, program_id, name) VALUES ($1, $2, $3, 'Gold')",
      [organizationId, productId, programId],
    );
    await superuser.query('UPDATE cards SET product_id = $1 WHERE id = $2', [productId, account.cardId]);
    expect((await authorizer.authorize(purchase(account, 1_000n))).outcome).toBe('approved');
    await superuser.query(change, [programId]);
    expect((await authorizer.authorize(purchase(account, 1_000n))).declineReason).toBe(reason);
  });

  test('does not hide a reversal that came first, nor a purchase that is known', async () => {
    const amended: string[] = [];
    const authorizer = newAuthorizer({
      deps: {
        amend: (request, known) => {
          amended.push(request.messageId);
          return Promise.resolve({
            outcome: 'declined',
            approvedAmount: 0n,
            declineReason: 'insufficient_funds',
            balance: null,
            authorizationId: known.authorizationId,
          });
        },
      },
    });
    const { account } = await only({ accounts: 1, funds: { USDC: 100n * USDC } });
    const first = purchase(account, 1_000n);
    const { authorizationId } = await authorizer.authorize(first);
    const reversed = purchase(account, 1_000n);
    const knex = createKnex(database.urls.escudo_app, 1, 'test');
    await recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, cardEvent(reversed, 'reversal'));
    await knex.destroy();
    expect((await authorizer.authorize(reversed)).declineReason).toBe('late');
    expect(await authorizer.authorize(first)).toMatchObject({ outcome: 'approved', authorizationId });
    expect(amended).toEqual([]);
    const more = { ...first, messageId: 'message-more', contentHash: 'hash-more' };
    expect(await authorizer.authorize(more)).toMatchObject({ declineReason: 'insufficient_funds', authorizationId });
    expect(amended).toEqual(['message-more']);
  });
});

describe('an answer', () => {
  test('is noted for its batch once it was handed over, and not before', async () => {
    const authorizer = newAuthorizer();
    const { accounts } = await world({ accounts: 2, funds: { USDC: 100n * USDC } });
    const requests = accounts.map((account) => purchase(account, 1_000n));
    const replies = await Promise.all(requests.map((request) => authorizer.authorize(request)));
    const noted = async () => {
      await authorizer.close();
      return (
        await superuser.query<{ id: string; answered: boolean }>(
          `SELECT a.id, b.answered_at IS NOT NULL AS answered FROM authorizations a JOIN outbox_batches b ON b.id = a.batch_id
           WHERE a.id = ANY($1)`,
          [replies.map((reply) => reply.authorizationId)],
        )
      ).rows;
    };
    expect((await noted()).map(({ answered }) => answered)).toEqual([false, false]);
    for (const request of requests) authorizer.answered(request);
    expect((await noted()).map(({ answered }) => answered)).toEqual([true, true]);
  });

  test('that was given up while its commit stalled leaves its batch to those who ask the processor', async () => {
    const authorizer = newAuthorizer();
    const { organizationId, accounts } = await world({ accounts: 1, funds: { USDC: 100n * USDC } });
    const [account] = accounts;
    if (!account) throw new Error('no account');
    await authorizer.authorize(purchase(account, 1_000n));
    // The card's counters are written last, after the statement has looked at the time.
    const blocker = new Client({ connectionString: database.superuserUrl });
    await blocker.connect();
    await blocker.query('BEGIN');
    await blocker.query('SELECT 1 FROM limit_counters WHERE organization_id = $1 FOR UPDATE', [organizationId]);
    const request = purchase(account, 1_000n, { respondBy: new Date(Date.now() + 3_000) });
    const reply = await authorizer.authorize(request);
    expect(reply).toMatchObject({ outcome: 'declined', declineReason: 'late' });
    authorizer.answered(request);
    await blocker.query('COMMIT');
    await blocker.end();
    // One that waits for the same account is decided after the stalled commit has come back.
    const next = purchase(account, 1_000n);
    await authorizer.authorize(next);
    authorizer.answered(next);
    authorizer.answered(request);
    await authorizer.close();
    const { rows } = await superuser.query(
      `SELECT a.message_id, a.state, b.answered_at IS NOT NULL AS answered FROM authorizations a JOIN outbox_batches b ON b.id = a.batch_id
       WHERE a.message_id = ANY($1) ORDER BY a.id`,
      [[request.messageId, next.messageId]],
    );
    expect(rows).toEqual([
      { message_id: request.messageId, state: 'pending', answered: false },
      { message_id: next.messageId, state: 'pending', answered: true },
    ]);
  });
});
