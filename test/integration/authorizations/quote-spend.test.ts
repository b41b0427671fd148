import fc from 'fast-check';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { setFundingPolicy } from '../../../services/accounts/set-funding-policy';
import { type AssetCatalog, loadAssetCatalog } from '../../../services/assets/load-asset-catalog';
import { findAuthorization, fundingLegsOf } from '../../../services/authorizations/authorization.repository';
import type { Authorizer } from '../../../services/authorizations/authorize-spend';
import { createAuthorizerPool } from '../../../services/authorizations/authorizer-pool';
import { type Quote, quoteSpend } from '../../../services/authorizations/quote-spend';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { createKnex } from '../../../services/database/knex';
import { newId } from '../../../services/database/new-id';
import { inOrganization } from '../../../services/database/transaction';
import type { FundingSource } from '../../../services/funding/rules/funding-policy';
import { fundsOf, suspenseOf } from '../../../services/ledger/account-refs';
import { moved } from '../../../services/ledger/draft';
import { postTransactions } from '../../../services/ledger/post-transactions';
import { replaceProgramPolicy } from '../../../services/programs/replace-program-policy';
import { DEFAULT_PROGRAM_POLICY, type ProgramPolicy } from '../../../services/programs/rules/program-policy';
import type { AuthorizationReply, AuthorizationRequest, Channel } from '../../../services/providers/processor/port';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import {
  cardEvent,
  createSpendingWorld,
  purchase,
  type SpendingWorld,
  WORLD_PRICES,
  type WorldAccount,
} from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;
let knex: Knex;
let sql: Client;
let pool: ReturnType<typeof createAuthorizerPool>;
let assets: AssetCatalog;

beforeAll(async () => {
  database = await createTestDatabase();
  knex = createKnex(database.urls.escudo_app, 2, 'test');
  sql = new Client({ connectionString: database.superuserUrl });
  await sql.connect();
  pool = createAuthorizerPool(database.urls.escudo_authorizer, 2);
  assets = await loadAssetCatalog(knex);
});

afterAll(async () => {
  await pool.end();
  await sql.end();
  await knex.destroy();
  await database.drop();
});

/** Where a purchase is made, as far as its hold depends on it. */
interface Shop {
  readonly mcc: string;
  readonly merchantCurrency: string;
  readonly channel: Channel;
}

const GROCER: Shop = { mcc: '5411', merchantCurrency: 'USD', channel: 'chip' };

/** As the processor has it: cash from a machine, or over a counter. */
function kindAt({ mcc, channel }: Shop): AuthorizationRequest['kind'] {
  return channel === 'atm' || mcc === '6010' || mcc === '6011' ? 'cash_withdrawal' : 'authorization';
}

/** A world of one account that things happen to, and the purchases whose holds are open in it. */
class Journey {
  /** Kept over all that happens but a move of prices, which it may notice up to a quarter of a second late. */
  private authorizer: Authorizer = createTestAuthorizer(pool);
  private readonly open: AuthorizationRequest[] = [];
  private readonly account: WorldAccount;

  private constructor(private readonly world: SpendingWorld) {
    [this.account] = world.accounts as [WorldAccount];
  }

  static async start(options: Parameters<typeof createSpendingWorld>[1]): Promise<Journey> {
    const journey = new Journey(await createSpendingWorld(database.superuserUrl, options));
    for (const [asset, price] of Object.entries(WORLD_PRICES)) await journey.movePrice(asset, price);
    return journey;
  }

  async movePrice(asset: string, price: bigint): Promise<void> {
    await sql.query('UPDATE asset_prices SET price_usd_e8 = $2, round_id = round_id + 1 WHERE asset = $1', [
      asset,
      price.toString(),
    ]);
    this.authorizer = createTestAuthorizer(pool);
  }

  async setFunding(sources: readonly FundingSource[]): Promise<void> {
    const { organizationId } = this.world;
    const { accountId } = this.account;
    const changed = await inOrganization(knex, organizationId, (trx) =>
      setFundingPolicy(trx, { assets }, { organizationId, accountId, funding: { mode: 'custom', sources } }),
    );
    // Shares that cover nothing are refused, and the policy before stays.
    if (!changed.ok) expect(changed.error.detail).toMatch(/shares add up/);
  }

  async setProgram(policy: ProgramPolicy): Promise<void> {
    const { organizationId, programId } = this.world;
    const changed = await inOrganization(knex, organizationId, (trx) =>
      replaceProgramPolicy(trx, { assets }, { organizationId, programId, policy }),
    );
    if (!changed.ok) throw new Error(changed.error.detail);
  }

  /** Money comes in, or as much of it as there is goes out. */
  async move(asset: string, amount: bigint): Promise<void> {
    const { organizationId } = this.world;
    const funds = fundsOf(this.account.accountId, asset);
    const [from, to] = amount > 0n ? [suspenseOf(asset), funds] : [funds, suspenseOf(asset)];
    const free = (await this.quote(100n, GROCER)).snapshot.funds[asset] ?? 0n;
    const size = amount > 0n ? amount : -amount < free ? -amount : free;
    if (size === 0n) return;
    const id = newId();
    await inOrganization(knex, organizationId, (trx) =>
      postTransactions(trx, organizationId, [
        {
          template: 'record-deposit',
          idempotencyKey: `test:${id}`,
          effectiveAt: new Date(),
          transfers: [moved('moved', from, to, size, id)],
        },
      ]),
    );
  }

  /** Gives back the hold that is open longest, or half of it. */
  async reverse(half: boolean): Promise<void> {
    const request = half ? this.open[0] : this.open.shift();
    if (request === undefined) return;
    const amount = half ? (request.amount + 1n) / 2n : request.amount;
    await recordCardEvent(
      { knex, clock: systemClock, sealer: testSealer() },
      cardEvent(request, 'reversal', { amount }),
    );
  }

  async quote(amount: bigint, { mcc, merchantCurrency, channel }: Shop): Promise<Quote> {
    const { organizationId } = this.world;
    const { accountId, cardId } = this.account;
    const asked = { amount, mcc, merchantCountry: 'DEU', merchantCurrency, channel };
    const quote = await inOrganization(knex, organizationId, (trx) =>
      quoteSpend(trx, { clock: systemClock }, { organizationId, accountId, cardId, purchase: asked }),
    );
    if (!quote.ok) throw new Error(quote.error.detail);
    return quote.value;
  }

  async authorize(amount: bigint, shop: Shop, partialApprovalAllowed = false): Promise<AuthorizationReply> {
    const { merchant } = purchase(this.account, amount);
    const { mcc, merchantCurrency, channel } = shop;
    const request = purchase(this.account, amount, {
      kind: kindAt(shop),
      merchant: { ...merchant, mcc },
      merchantCurrency,
      channel,
      partialApprovalAllowed,
    });
    const reply = await this.authorizer.authorize(request);
    if (reply.outcome !== 'declined') this.open.push({ ...request, amount: reply.approvedAmount });
    return reply;
  }

  /** What is quoted is what happens: to the unit, at the amount itself, at the largest amount and one cent above it. */
  async compare(amount: bigint, shop: Shop, partialApprovalAllowed: boolean): Promise<void> {
    const quote = await this.quote(amount, shop);
    const { largestAmount } = quote.decision;
    const above = await this.authorize(largestAmount + 1n, shop);
    expect(above).toMatchObject({ outcome: 'declined', declineReason: quote.largestLimitedBy });

    const reply = await this.authorize(amount, shop);
    expect(reply).toMatchObject({ outcome: quote.decision.outcome, declineReason: quote.decision.reason });
    if (reply.outcome === 'approved') await this.expectHeld(reply, quote);

    const now = await this.quote(amount, shop);
    const most = now.decision.largestAmount;
    if (most === 0n) return;
    const exactly = await this.quote(most, shop);
    const partly = partialApprovalAllowed && now.snapshot.policy.partial_approvals;
    const last = await this.authorize(partly ? most + 1n : most, shop, partialApprovalAllowed);
    expect(last).toMatchObject({ outcome: partly ? 'partially_approved' : 'approved', approvedAmount: most });
    await this.expectHeld(last, exactly);
  }

  private async expectHeld(reply: AuthorizationReply, { decision }: Quote): Promise<void> {
    const { organizationId } = this.world;
    const id = required(reply.authorizationId, 'the id of an approval');
    const [row, legs] = await inOrganization(knex, organizationId, async (trx) => [
      required(await findAuthorization(trx, organizationId, id), 'the authorization'),
      await fundingLegsOf(trx, organizationId, [id]),
    ]);
    expect(row).toMatchObject({
      approved_amount: decision.approvedAmount,
      hold_amount: decision.holdAmount,
      fee_amount: decision.feeAmount,
    });
    expect(
      legs.map((leg) => ({
        kind: leg.kind,
        asset: leg.asset,
        amount: leg.held_amount,
        amountUsd: leg.held_usd,
        priceUsdE8: leg.price_usd_e8,
      })),
    ).toEqual(decision.legs);
  }
}

const ceilings = {
  maxPerPurchase: fc.option(fc.bigInt(500n, 60_000n), { nil: undefined, freq: 3 }),
  maxShareBps: fc.option(fc.integer({ min: 1_000, max: 10_000 }), { nil: undefined, freq: 3 }),
};

function withoutMissing<T extends object>(fields: T): { [Name in keyof T]: Exclude<T[Name], undefined> } {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as { [Name in keyof T]: Exclude<T[Name], undefined> };
}

const source: fc.Arbitrary<FundingSource> = fc
  .oneof(
    fc.record({
      kind: fc.constant('stablecoin' as const),
      asset: fc.constantFrom('USDC', 'EURC'),
      keep: fc.oneof(fc.constant(0n), fc.bigInt(0n, 150_000_000n)),
      ...ceilings,
    }),
    fc.record({
      kind: fc.constant('loan' as const),
      ltvMaxBps: fc.option(fc.integer({ min: 500, max: 6_000 })),
      maxDebt: fc.option(fc.bigInt(1n, 400_000_000n), { nil: undefined }),
      ...ceilings,
    }),
  )
  .map((each) => withoutMissing(each) as FundingSource);

const sources = fc.uniqueArray(source, {
  selector: (each) => (each.kind === 'loan' ? 'loan' : each.asset),
  minLength: 1,
});

const programs: fc.Arbitrary<ProgramPolicy> = fc
  .record({
    buffer: fc.integer({ min: 0, max: 300 }),
    restaurants: fc.integer({ min: 0, max: 3_000 }),
    smallest: fc.option(fc.bigInt(0n, 2_000n), { nil: undefined }),
    day: fc.option(fc.bigInt(1_000n, 150_000n), { nil: undefined }),
    partial: fc.boolean(),
    foreignFee: fc.integer({ min: 0, max: 200 }),
    cashFee: fc.option(
      fc.record({ fixed: fc.integer({ min: 0, max: 500 }).map(String), bps: fc.integer({ min: 0, max: 300 }) }),
    ),
    cash: fc.boolean(),
    ltv: fc.integer({ min: 1_000, max: 5_500 }),
  })
  .map((each) => ({
    ...DEFAULT_PROGRAM_POLICY,
    conversion_buffer_bps: each.buffer,
    hold_allowance_bps: { ...DEFAULT_PROGRAM_POLICY.hold_allowance_bps, restaurants: each.restaurants },
    ...(each.smallest === undefined ? {} : { min_leg_amount: each.smallest.toString() }),
    limits: each.day === undefined ? {} : { day_amount: each.day.toString() },
    partial_approvals: each.partial,
    foreign_currency_fee_bps: each.foreignFee,
    ...(each.cashFee === null ? {} : { cash_withdrawal_fee: { ...each.cashFee, cashback: false } }),
    ...(each.cash ? {} : { controls: { cash_withdrawals: false } }),
    credit: {
      ...DEFAULT_PROGRAM_POLICY.credit,
      collateral: {
        WETH: { ltv_bps: each.ltv, liquidation_threshold_bps: 7_500, liquidation_bonus_bps: 350 },
      },
    },
  }));

const shops: fc.Arbitrary<Shop> = fc.record({
  mcc: fc.constantFrom('5411', '5812', '7011', '5542', '6011'),
  merchantCurrency: fc.constantFrom('USD', 'EUR'),
  channel: fc.constantFrom('chip', 'atm'),
});
const amounts = fc.oneof({ weight: 1, arbitrary: fc.constantFrom(1n, 100n, 101n) }, fc.bigInt(1n, 80_000n));

const happenings: fc.Arbitrary<(journey: Journey) => Promise<unknown>> = fc.oneof(
  sources.map((list) => (journey: Journey) => journey.setFunding(list)),
  programs.map((policy) => (journey: Journey) => journey.setProgram(policy)),
  fc.record({ asset: fc.constantFrom('USDC', 'EURC'), amount: fc.bigInt(-200_000_000n, 200_000_000n) }).map(
    ({ asset, amount }) =>
      (journey: Journey) =>
        journey.move(asset, amount),
  ),
  fc
    .record({ asset: fc.constantFrom('USDC', 'EURC', 'WETH'), bps: fc.bigInt(9_000n, 11_000n) })
    .map(({ asset, bps }) => (journey: Journey) => {
      const price = required(WORLD_PRICES[asset], 'a price');
      return journey.movePrice(asset, (price * bps) / 10_000n);
    }),
  fc.record({ amount: amounts, shop: shops }).map(
    ({ amount, shop }) =>
      (journey: Journey) =>
        journey.authorize(amount, shop),
  ),
  fc.boolean().map((half) => (journey: Journey) => journey.reverse(half)),
);

test.each<[string, Partial<Shop>, boolean]>([
  ['a machine', { channel: 'atm' }, true],
  ['a machine that says what it is', { channel: 'atm', mcc: '6011' }, true],
  ["a bank's machine that does not say how it was used", { mcc: '6011' }, true],
  ['a counter', { mcc: '6010' }, true],
  ["a bank's shop", { mcc: '6012' }, false],
])('cash is quoted as cash, with its fee and its controls: %s', async (_where, where, cash) => {
  const shop = { ...GROCER, ...where };
  const policy = { ...DEFAULT_PROGRAM_POLICY, cash_withdrawal_fee: { fixed: '300', bps: 100, cashback: false } };
  const journey = await Journey.start({ accounts: 1, funds: { USDC: 10_000_000_000n }, policy });
  expect((await journey.quote(1_000n, shop)).decision.feeAmount).toBe(cash ? 310n : 0n);
  await journey.setProgram({ ...policy, controls: { cash_withdrawals: false } });
  const { decision } = await journey.quote(1_000n, shop);
  expect(decision.reason ?? decision.outcome).toBe(cash ? 'channel_blocked' : 'approved');
  const reply = await journey.authorize(1_000n, shop);
  expect(reply.declineReason ?? reply.outcome).toBe(cash ? 'channel_blocked' : 'approved');
  await journey.setProgram(policy);
  await journey.compare(1_000n, shop, false);
});

/** Seconds after which no new world is begun; what was found until then counts. */
const TIME_LIMIT_MS = 40_000;

test('what is quoted is what happens, to the unit, whatever happened before', async () => {
  let underWay: Promise<void> = Promise.resolve();
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        usdc: fc.bigInt(1n, 600_000_000n),
        eurc: fc.bigInt(1n, 300_000_000n),
        weth: fc.bigInt(1n, 400_000_000_000_000_000n),
        list: sources,
        policy: programs,
      }),
      fc.array(fc.tuple(fc.array(happenings, { maxLength: 4 }), amounts, shops, fc.boolean()), {
        minLength: 1,
        maxLength: 4,
      }),
      async ({ usdc, eurc, weth, list, policy }, chapters) => {
        underWay = (async () => {
          const journey = await Journey.start({
            accounts: 1,
            funds: { USDC: usdc, EURC: eurc },
            collateral: { WETH: weth },
            credit: true,
            policy,
          });
          await journey.setFunding(list);
          for (const [before, amount, shop, partialApprovalAllowed] of chapters) {
            for (const happens of before) await happens(journey);
            await journey.compare(amount, shop, partialApprovalAllowed);
          }
        })();
        await underWay;
      },
    ),
    { numRuns: 150, interruptAfterTimeLimit: TIME_LIMIT_MS, endOnFailure: true },
  );
  // The time limit does not wait for the journey that it met.
  await underWay;
});
