import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import type { Authorizer } from '../../../services/authorizations/authorize-spend';
import { expireAuthorization } from '../../../services/authorizations/expire-authorization';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { createKnex } from '../../../services/database/knex';
import { inOrganization } from '../../../services/database/transaction';
import { type FundingPolicy, fundingPolicyForMode } from '../../../services/funding/rules/funding-policy';
import {
  fundsOf,
  interestOf,
  loanOf,
  networkPayableOf,
  overdueOf,
  positionOf,
  revenueOf,
  venueDebtOf,
} from '../../../services/ledger/account-refs';
import type { LedgerAccountRef } from '../../../services/ledger/draft';
import { balanceOf, countersOfRef } from '../../../services/ledger/ledger.repository';
import { assetTotals, openPositions, recomputeBalances } from '../../../services/ledger/ledger-report.repository';
import { postTransactions } from '../../../services/ledger/post-transactions';
import { availableBalance } from '../../../services/ledger/rules/account-balance';
import { accrueInterest } from '../../../services/ledger/templates/accrue-interest';
import type { AuthorizationRequest } from '../../../services/providers/processor/port';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import { cardEvent, createSpendingWorld, purchase, type SpendingWorldOptions } from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const USDC = 1_000_000n;
const WETH = 10n ** 18n;

let database: TestDatabase;
let superuser: Client;
let pool: Pool;
let knex: Knex;
let authorizer: Authorizer;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
  knex = createKnex(database.urls.escudo_app, 8, 'card-events-test');
  authorizer = createTestAuthorizer(pool);
});

afterAll(async () => {
  await knex.destroy();
  await pool.end();
  await superuser.end();
  await database.drop();
});

const deps = () => ({ knex, clock: systemClock, sealer: testSealer() });

/** One account of a world of its own, with what a test wants to know of it. */
async function account(options: Omit<SpendingWorldOptions, 'accounts'>) {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, ...options });
  const holder = required(world.accounts[0], 'account');
  const { organizationId, programId } = world;
  const inside = <T>(work: Parameters<typeof inOrganization<T>>[2]) => inOrganization(knex, organizationId, work);
  const balance = (ref: LedgerAccountRef) => inside((trx) => balanceOf(trx, organizationId, ref));
  const rows = async (table: string, order = 'id') =>
    (await superuser.query(`SELECT * FROM ${table} WHERE organization_id = $1 ORDER BY ${order}`, [organizationId]))
      .rows;
  return {
    ...holder,
    organizationId,
    programId,
    balance,
    inside,
    rows,
    free: (asset: string) =>
      inside(async (trx) =>
        availableBalance(await countersOfRef(trx, organizationId, fundsOf(holder.accountId, asset))),
      ),
    row: async (table: string) => required((await rows(table))[0], table),
    record: (
      request: AuthorizationRequest,
      ...rest: Parameters<typeof cardEvent> extends [unknown, ...infer R] ? R : never
    ) => recordCardEvent(deps(), cardEvent(request, ...rest)),
    approve: async (amount: bigint, overrides: Partial<AuthorizationRequest> = {}) => {
      const request = purchase(holder, amount, overrides);
      const reply = await authorizer.authorize(request);
      expect(reply.outcome).toBe('approved');
      return { request, authorizationId: required(reply.authorizationId, 'authorization id') };
    },
    /** The books hold after whatever happened. */
    sound: async () => {
      await inside(async (trx) => {
        expect(await recomputeBalances(trx, organizationId)).toEqual([]);
        for (const total of await assetTotals(trx, organizationId)) expect(total.difference).toBe(0n);
      });
      const account = required((await rows('accounts'))[0], 'account');
      const legs = await rows('funding_legs');
      const draws = await rows('loan_draws');
      const heldLoans = legs
        .filter((leg) => leg.kind === 'loan_draw' && leg.hold_transfer_id !== null)
        .reduce(
          (sum, leg) => sum + BigInt(leg.held_amount) - BigInt(leg.posted_amount) - BigInt(leg.released_amount),
          0n,
        );
      expect(BigInt(account.loan_hold)).toBe(heldLoans);
      expect(BigInt(account.overdue_amount)).toBe(await balance(overdueOf(holder.accountId)));
      expect(BigInt(account.debt_shares)).toBe(draws.reduce((sum, draw) => sum + BigInt(draw.shares), 0n));
      const unconfirmed = draws.reduce((sum, draw) => {
        const [posted, confirmed, repaid] = [
          draw.principal_posted,
          draw.principal_confirmed,
          draw.principal_repaid,
        ].map(BigInt);
        const settled =
          required(confirmed, 'c') > required(repaid, 'r') ? required(confirmed, 'c') : required(repaid, 'r');
        return sum + required(posted, 'p') - settled;
      }, 0n);
      expect(BigInt(account.loan_unconfirmed)).toBe(unconfirmed);
    },
  };
}

const borrowing: FundingPolicy = fundingPolicyForMode('borrow', []);

describe('clearing', () => {
  test('equal to the hold takes the tokens, frees the buffer and owes the network', async () => {
    const a = await account({ funds: { USDC: 500n * USDC } });
    const { request, authorizationId } = await a.approve(4_250n);
    const outcome = await a.record(request, 'clearing');
    expect(outcome).toMatchObject({ kind: 'recorded', authorizationId });
    expect(await a.free('USDC')).toBe(500n * USDC - 42_500_000n);
    expect(await a.balance(networkPayableOf(a.programId))).toBe(4_250n);
    expect(await a.balance(positionOf('USD'))).toBe(4_250n);
    expect(await a.balance(positionOf('USDC'))).toBe(-42_500_000n);
    expect(await a.row('authorizations')).toMatchObject({ state: 'cleared', cleared_amount: 4250n });
    expect(await a.rows('leg_postings')).toMatchObject([
      { kind: 'stablecoin_sale', amount: 42500000n, amount_usd: 4250n },
    ]);
    const commands = await a.rows('outbox_commands');
    expect(commands.at(-1)).toMatchObject({ workflow_id: `authorization:${authorizationId}`, signal: 'cardEvent' });
    await a.sound();
  });

  test('several partial ones stay open until the final one, which frees the rest', async () => {
    const a = await account({ funds: { USDC: 500n * USDC } });
    const { request } = await a.approve(10_000n);
    await a.record(request, 'clearing', { amount: 3_000n, final: false });
    expect((await a.row('authorizations')).state).toBe('partially_cleared');
    expect(await a.free('USDC')).toBe(500n * USDC - 100_500_000n);
    await a.record(request, 'clearing', { amount: 2_000n, final: true });
    expect(await a.row('authorizations')).toMatchObject({ state: 'cleared', cleared_amount: 5000n });
    expect(await a.free('USDC')).toBe(450n * USDC);
    await a.sound();
  });

  test('above the hold takes further legs, and what nothing covers is overdue', async () => {
    const a = await account({ funds: { USDC: 110n * USDC } });
    const { request } = await a.approve(10_000n);
    await a.record(request, 'clearing', { amount: 12_000n });
    expect(await a.free('USDC')).toBe(0n);
    expect(await a.balance(overdueOf(a.accountId))).toBe(1_000n);
    expect(await a.balance(networkPayableOf(a.programId))).toBe(12_000n);
    const kinds = (await a.rows('funding_legs', 'ordinal')).map((leg) => [leg.kind, leg.posted_usd]);
    expect(kinds).toEqual([
      ['stablecoin_sale', 10000n],
      ['stablecoin_sale', 1000n],
      ['overdue', 1000n],
    ]);
    const declined = await authorizer.authorize(purchase(a, 1n));
    expect(declined.declineReason).toBe('account_overdue');
    await a.sound();
  });

  test('on a loan turns the hold into principal that the chain has not confirmed', async () => {
    const a = await account({ collateral: { WETH }, fundingPolicy: borrowing, credit: true });
    const { request } = await a.approve(12_000n, { merchant: { ...purchase(a, 1n).merchant, mcc: '5812' } });
    await a.record(request, 'clearing', { amount: 12_600n });
    const leg = await a.row('funding_legs');
    expect(await a.balance(loanOf(a.accountId, leg.id, 'USDC'))).toBe(126n * USDC);
    expect(await a.row('accounts')).toMatchObject({ loan_hold: 0n, loan_unconfirmed: 126000000n });
    expect(await a.row('loan_draws')).toMatchObject({ id: leg.id, state: 'requested', principal_posted: 126000000n });
    await a.sound();
  });

  test('without authorization, on a closed card, with an empty account, always posts', async () => {
    const a = await account({});
    await superuser.query("UPDATE cards SET state = 'closed' WHERE id = $1", [a.cardId]);
    const outcome = await a.record(purchase(a, 700n), 'clearing');
    expect(outcome).toMatchObject({ kind: 'recorded', authorizationId: null });
    expect(await a.row('card_transactions')).toMatchObject({ forced: true, amount: 700n });
    expect(await a.balance(overdueOf(a.accountId))).toBe(700n);
    expect((await a.rows('outbox_commands')).at(-1).workflow_id).toBe(
      `authorization:${(await a.row('card_transactions')).id}`,
    );
    await a.sound();
  });

  test.each(['reversal', 'expiry'] as const)('after %s is forced, linked, and leaves the state', async (before) => {
    const a = await account({ funds: { USDC: 100n * USDC } });
    const { request, authorizationId } = await a.approve(2_000n);
    await a.record(request, before);
    expect(await a.free('USDC')).toBe(100n * USDC);
    await a.record(request, 'clearing');
    expect(await a.row('card_transactions')).toMatchObject({ forced: true, authorization_id: authorizationId });
    expect((await a.row('authorizations')).state).toBe(before === 'reversal' ? 'reversed' : 'expired');
    expect(await a.free('USDC')).toBe(80n * USDC);
    await a.sound();
  });
});

describe('reversal, expiry and advice', () => {
  test('a partial reversal frees its share, the rest clears', async () => {
    const a = await account({ funds: { USDC: 100n * USDC } });
    const { request } = await a.approve(8_000n);
    await a.record(request, 'reversal', { amount: 3_000n });
    expect(await a.free('USDC')).toBe(100n * USDC - 50_250_000n);
    expect(await a.row('authorizations')).toMatchObject({ state: 'pending', reversed_amount: 3000n });
    await a.record(request, 'clearing', { amount: 5_000n });
    expect(await a.free('USDC')).toBe(50n * USDC);
    await a.sound();
  });

  test('a reversal gives limit use back, to its own window only', async () => {
    const a = await account({ funds: { USDC: 1_000n * USDC } });
    const { request } = await a.approve(5_000n);
    const { request: other } = await a.approve(1_000n);
    const windows = async () => [
      (await a.row('accounts')).spend_counters,
      ...(await a.rows('limit_counters', 'scope_id')).map((row) => row.windows),
    ];
    // As if the second purchase had been made before today's window began.
    await superuser.query(
      "UPDATE authorizations SET created_at = created_at - interval '2 days' WHERE organization_id = $1 AND processor_authorization_id = $2",
      [a.organizationId, other.processorAuthorizationId],
    );
    await a.record(request, 'reversal');
    for (const each of await windows()) {
      expect(each.day.slice(1, 3)).toEqual(['1000', 1]);
      expect(each.all_time.slice(1, 3)).toEqual(['1000', 1]);
    }
    await a.record(other, 'reversal');
    for (const each of await windows()) {
      expect(each.day.slice(1, 3)).toEqual(['1000', 1]);
      expect(each.all_time.slice(1, 3)).toEqual(['0', 0]);
    }
    await a.sound();
  });

  test('our own expiry looks at the deadline row, ends the hold once, and is safe to repeat', async () => {
    const a = await account({ collateral: { WETH }, fundingPolicy: borrowing, credit: true });
    const { authorizationId } = await a.approve(2_000n);
    const input = { organizationId: a.organizationId, authorizationId };
    expect(await expireAuthorization(deps(), input)).toEqual({ kind: 'not_due' });
    const later = { knex, clock: { now: () => new Date(Date.now() + 8 * 86_400_000) } };
    const both = await Promise.all([expireAuthorization(later, input), expireAuthorization(later, input)]);
    expect(both.map((each) => each.kind).sort()).toEqual(['ended', 'expired']);
    expect(await a.row('accounts')).toMatchObject({ loan_hold: 0n });
    expect((await a.row('authorizations')).state).toBe('expired');
    await a.sound();
  });

  test('an advice raises the hold, or lowers it', async () => {
    const a = await account({ funds: { USDC: 200n * USDC } });
    const { request } = await a.approve(4_000n);
    await a.record(request, 'authorization_advice', { amount: 9_000n });
    expect(await a.row('authorizations')).toMatchObject({ approved_amount: 9000n, hold_amount: 9000n });
    expect(await a.free('USDC')).toBe(200n * USDC - 90_450_000n);
    await a.record(request, 'authorization_advice', { amount: 3_000n });
    expect(await a.free('USDC')).toBe(200n * USDC - 30_150_000n);
    await a.record(request, 'clearing', { amount: 3_000n });
    expect(await a.free('USDC')).toBe(170n * USDC);
    expect((await a.row('authorizations')).state).toBe('cleared');
    await a.sound();
  });
});

describe('limit use', () => {
  test('a total that an advice raised and a reversal took back leaves what other purchases used', async () => {
    const a = await account({ funds: { USDC: 500n * USDC } });
    await a.approve(6_000n);
    const { request } = await a.approve(4_000n);
    const used = async () => [
      (await a.row('accounts')).spend_counters.day[1],
      ...(await a.rows('limit_counters', 'scope_id')).map((row) => row.windows.day[1]),
    ];
    expect(await used()).toEqual(['10000', '10000']);
    await a.record(request, 'authorization_advice', { amount: 9_000n });
    expect(await used()).toEqual(['15000', '15000']);
    await a.record(request, 'reversal', { amount: 9_000n });
    expect(await used()).toEqual(['6000', '6000']);
    await a.sound();
  });
});

describe('identity and order', () => {
  test('a message is recorded once, however often and however fast it comes', async () => {
    const a = await account({ funds: { USDC: 100n * USDC } });
    const { request } = await a.approve(1_000n);
    const event = cardEvent(request, 'clearing');
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => recordCardEvent(deps(), event)));
    expect(outcomes.filter((each) => each.kind === 'recorded')).toHaveLength(1);
    expect(outcomes.filter((each) => each.kind === 'already_recorded')).toHaveLength(7);
    expect(await recordCardEvent(deps(), { ...event, contentHash: 'other' })).toMatchObject({ kind: 'conflict' });
    expect(await a.balance(networkPayableOf(a.programId))).toBe(1_000n);
    await a.sound();
  });

  test('an unknown card changes nothing', async () => {
    const a = await account({});
    expect(await a.record({ ...purchase(a, 1n), cardToken: randomUUID() }, 'clearing')).toEqual({
      kind: 'unknown_card',
    });
    expect(await a.rows('card_messages', 'message_id')).toEqual([]);
  });

  test('a reversal before its authorization is put on record for the authorizer', async () => {
    const a = await account({ funds: { USDC: 100n * USDC } });
    const request = purchase(a, 1_000n);
    expect(await a.record(request, 'reversal')).toMatchObject({ kind: 'recorded', authorizationId: null });
    expect(await a.rows('card_messages', 'message_id')).toMatchObject([
      { kind: 'reversal', authorization_id: null, processor_authorization_id: request.processorAuthorizationId },
    ]);
    expect(await a.rows('outbox_commands')).toEqual([]);
  });

  test('messages of one purchase recorded at once leave sound books', async () => {
    const a = await account({ funds: { USDC: 500n * USDC } });
    const purchases = await Promise.all([1_000n, 2_000n, 3_000n].map((amount) => a.approve(amount)));
    await Promise.all(
      purchases.flatMap(({ request }) => [
        a.record(request, 'clearing', { amount: request.amount / 2n, final: false }),
        a.record(request, 'clearing', { amount: request.amount / 2n, final: false }),
        a.record(request, 'reversal'),
        a.record(request, 'refund', { amount: request.amount / 4n }),
      ]),
    );
    expect(await a.balance(networkPayableOf(a.programId))).toBe(6_000n - 1_500n);
    await a.sound();
  });
});

describe('refund', () => {
  test('of a sale gives the tokens back at the purchase’s rate, to be bought back', async () => {
    const a = await account({ funds: { USDC: 100n * USDC } });
    const { request } = await a.approve(2_000n);
    await a.record(request, 'clearing');
    await a.record(request, 'refund', { amount: 500n });
    expect(await a.free('USDC')).toBe(85n * USDC);
    expect(await a.balance(networkPayableOf(a.programId))).toBe(1_500n);
    const refund = required(
      (await a.rows('card_transactions')).find((row) => row.kind === 'refund'),
      'refund',
    );
    expect(refund.original_transaction_id).toBe((await a.rows('card_transactions'))[0].id);
    expect(await a.rows('repayments')).toMatchObject([{ source: 'refund', amount: 5000000n, venue_amount: 0n }]);
    const leg = required(
      (await a.rows('funding_legs')).find((row) => row.kind === 'refund'),
      'refund leg',
    );
    expect(await a.inside((trx) => openPositions(trx, a.organizationId, [leg.id]))).toEqual([
      { leg_id: leg.id, asset: 'USD', open_debit: -500n },
      { leg_id: leg.id, asset: 'USDC', open_debit: 5_000_000n },
    ]);
    await a.sound();
  });

  test('reduces the loan first, with its shares and its unpaid interest', async () => {
    const a = await account({ collateral: { WETH }, fundingPolicy: borrowing, credit: true });
    const { request } = await a.approve(12_000n);
    await a.record(request, 'clearing');
    const { id: drawId } = await a.row('loan_draws');
    // As the draw's confirmation and an accrual leave it.
    await superuser.query(
      "UPDATE loan_draws SET state = 'confirmed', principal_confirmed = 120000000, shares = 120000000, interest_posted = 1200 WHERE id = $1",
      [drawId],
    );
    await superuser.query('UPDATE accounts SET loan_unconfirmed = 0, debt_shares = 120000000 WHERE id = $1', [
      a.accountId,
    ]);
    await a.inside((trx) =>
      postTransactions(trx, a.organizationId, [
        accrueInterest({
          reference: 'test',
          accountId: a.accountId,
          venueDebt: venueDebtOf('aave_v3', '0xabc', 'USDC'),
          draws: [{ drawId, interest: 1_200n, venuePart: 900n }],
          expense: 0n,
          effectiveAt: new Date(),
        }),
      ]),
    );
    await a.record(request, 'refund', { amount: 5_000n });
    expect(await a.balance(loanOf(a.accountId, drawId, 'USDC'))).toBe(70n * USDC);
    expect(await a.balance(interestOf(a.accountId, drawId, 'USDC'))).toBe(700n);
    expect(await a.balance(revenueOf('interest', 'USDC'))).toBe(300n - 125n);
    expect(await a.row('loan_draws')).toMatchObject({
      shares: 70000000n,
      principal_repaid: 50000000n,
      state: 'confirmed',
    });
    expect(await a.rows('repayments')).toMatchObject([{ amount: 50000000n, venue_amount: 50000000n }]);
    await a.sound();

    await a.record(request, 'refund', { amount: 7_000n });
    expect(await a.balance(loanOf(a.accountId, drawId, 'USDC'))).toBe(0n);
    expect(await a.balance(interestOf(a.accountId, drawId, 'USDC'))).toBe(0n);
    expect(await a.row('loan_draws')).toMatchObject({ shares: 0n, state: 'repaid' });
    await a.sound();
  });

  test('pays what is overdue before anything else', async () => {
    const a = await account({ funds: { USDC: 10n * USDC } });
    const { request } = await a.approve(900n);
    await a.record(request, 'clearing', { amount: 1_600n });
    expect(await a.balance(overdueOf(a.accountId))).toBe(600n);
    await a.record(request, 'refund', { amount: 1_000n });
    expect(await a.balance(overdueOf(a.accountId))).toBe(0n);
    expect(await a.free('USDC')).toBe(4n * USDC);
    const overdue = (await a.rows('leg_postings')).find((posting) => posting.kind === 'overdue');
    expect(overdue).toMatchObject({ state: 'funded' });
    await a.sound();
  });

  test('before the purchase cleared, or of no purchase, buys the program’s stablecoin', async () => {
    const a = await account({ funds: { USDC: 100n * USDC } });
    const { request } = await a.approve(2_000n);
    await a.record(request, 'refund', { amount: 700n });
    await a.record(purchase(a, 300n), 'refund');
    expect(await a.free('USDC')).toBe(100n * USDC - 20_100_000n + 10n * USDC);
    expect(await a.balance(networkPayableOf(a.programId))).toBe(-1_000n);
    await a.record(request, 'clearing');
    expect(await a.free('USDC')).toBe(90n * USDC);
    await a.sound();
  });

  test('names its purchase by another id, and may be taken back', async () => {
    const a = await account({ funds: { USDC: 100n * USDC } });
    const { request, authorizationId } = await a.approve(2_000n);
    await a.record(request, 'clearing');
    const refund = purchase(a, 2_000n);
    const outcome = await a.record(refund, 'refund', {
      originalProcessorAuthorizationId: request.processorAuthorizationId,
    });
    expect(outcome).toMatchObject({ authorizationId });
    expect(await a.free('USDC')).toBe(100n * USDC);
    await a.record(refund, 'refund_reversal');
    expect(await a.free('USDC')).toBe(80n * USDC);
    expect(await a.balance(networkPayableOf(a.programId))).toBe(2_000n);
    await a.sound();
  });

  test.each([true, false])(
    'by another id, gives the fee back once, and taken back charges it again (authorized: %s)',
    async (authorized) => {
      const a = await account({ funds: { USDC: 100n * USDC }, policy: { foreign_currency_fee_bps: 200 } });
      const abroad = { merchantCurrency: 'EUR' };
      const request = authorized ? (await a.approve(2_000n, abroad)).request : purchase(a, 2_000n, abroad);
      const fees = () => a.balance(revenueOf('fees', 'USD'));
      const names = { originalProcessorAuthorizationId: request.processorAuthorizationId };
      await a.record(request, 'clearing');
      expect(await fees()).toBe(40n);
      const refund = purchase(a, 2_000n);
      await a.record(refund, 'refund', names);
      expect(await fees()).toBe(0n);
      await a.record(purchase(a, 2_000n), 'refund', names);
      expect(await fees()).toBe(0n);
      await a.record(refund, 'refund_reversal', { amount: 500n });
      expect(await fees()).toBe(0n);
      await a.record(request, 'clearing', { amount: 2_000n });
      expect(await fees()).toBe(80n);
      await a.record(refund, 'refund', names);
      expect(await fees()).toBe(0n);
      await a.record(refund, 'refund_reversal');
      expect(await fees()).toBe(80n);
      await a.sound();
    },
  );
});
