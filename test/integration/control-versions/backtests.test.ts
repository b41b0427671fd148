import type { Knex } from 'knex';
import { Pool } from 'pg';
import { loadAssetCatalog } from '../../../services/assets/load-asset-catalog';
import { amendAuthorization } from '../../../services/authorizations/amend-authorization';
import type { Authorizer } from '../../../services/authorizations/authorize-spend';
import { expireAuthorization } from '../../../services/authorizations/expire-authorization';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import type { SpendControls } from '../../../services/cards/rules/spend-controls';
import { advanceBacktest } from '../../../services/control-versions/advance-backtest';
import { cancelBacktest } from '../../../services/control-versions/cancel-backtest';
import { type DraftControlsDeps, draftControls } from '../../../services/control-versions/draft-controls';
import { showBacktest } from '../../../services/control-versions/read-backtests';
import { startBacktest } from '../../../services/control-versions/start-backtest';
import type { WantedControls } from '../../../services/control-versions/wanted-controls';
import { createKnex } from '../../../services/database/knex';
import { inOrganization, type Transaction } from '../../../services/database/transaction';
import { createProgramUsageSummer } from '../../../services/programs/sum-program-usage';
import type { AuthorizationRequest } from '../../../services/providers/processor/port';
import { systemClock } from '../../../services/shared/clock';
import type { Refusal } from '../../../services/shared/refusal';
import type { Result } from '../../../services/shared/result';
import {
  cardEvent,
  createSpendingWorld,
  purchase,
  type SpendingWorld,
  type WorldAccount,
} from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const USDC = 1_000_000n;
const DAY_MS = 86_400_000;

describe('backtests', () => {
  let database: TestDatabase;
  let pool: Pool;
  let knex: Knex;
  let superuser: Knex;
  let authorizer: Authorizer;
  let world: SpendingWorld;
  let account: WorldAccount;
  let organizationId: string;
  let deps: DraftControlsDeps;

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 2 });
    knex = createKnex(database.urls.escudo_app, 4, 'test-app');
    superuser = createKnex(database.superuserUrl, 2, 'test-superuser');
    deps = { assets: await loadAssetCatalog(knex), clock: systemClock };
    authorizer = newAuthorizer();
  });

  const newAuthorizer = () =>
    createTestAuthorizer(pool, {
      amend: (request, known) =>
        amendAuthorization({ knex, clock: systemClock, sealer: testSealer(), partner: null }, request, known),
    });

  beforeEach(async () => {
    world = await createSpendingWorld(database.superuserUrl, {
      accounts: 2,
      funds: { USDC: 10_000n * USDC },
      policy: { limits: {} },
    });
    organizationId = world.organizationId;
    account = world.accounts[0] as WorldAccount;
  });

  afterAll(async () => {
    await Promise.all([pool.end(), knex.destroy(), superuser.destroy()]);
    await database.drop();
  });

  const inside = <T>(work: (trx: Transaction) => Promise<T>) => inOrganization(knex, organizationId, work);

  function expectOk<T>(result: Result<T, Refusal>): T {
    if (!result.ok) throw new Error(`${result.error.code}: ${result.error.detail}`);
    return result.value;
  }

  async function spend(amount: bigint, by = account, overrides: Partial<AuthorizationRequest> = {}) {
    const request = purchase(by, amount, overrides);
    const reply = await authorizer.authorize(request);
    return { request, reply };
  }

  async function reverse(request: AuthorizationRequest, amount = request.amount) {
    const recorded = await recordCardEvent(
      { knex, clock: deps.clock, sealer: testSealer() },
      cardEvent(request, 'reversal', { amount }),
    );
    expect(recorded.kind).toBe('recorded');
  }

  const draft = async (wanted: WantedControls) =>
    expectOk(await inside((trx) => draftControls(trx, deps, { organizationId, wanted, note: '', createdBy: null })));
  const forCard = (controls: SpendControls): WantedControls => ({ kind: 'card', cardId: account.cardId, controls });

  async function begin(wanted: WantedControls, from = new Date(Date.now() - DAY_MS)) {
    const version = await draft(wanted);
    const input = { organizationId, versionId: version.id, from, before: null, createdBy: null };
    return expectOk(await inside((trx) => startBacktest(trx, deps, input)));
  }

  const step = (backtestId: string, pace = { page: 250, pagesPerStep: 10 }) =>
    advanceBacktest({ knex, clock: deps.clock }, { organizationId, backtestId }, pace);
  const show = async (backtestId: string) =>
    expectOk(await inside((trx) => showBacktest(trx, { organizationId, backtestId })));

  async function run(wanted: WantedControls) {
    const { id } = await begin(wanted);
    expect(await step(id)).toEqual({ done: true, state: 'finished' });
    return (await show(id)).result;
  }

  const idOf = async (request: AuthorizationRequest): Promise<string> =>
    (
      await superuser('authorizations')
        .where({ processor_authorization_id: request.processorAuthorizationId })
        .first('id')
    ).id;

  it('says what a draft would have declined, along the history that it would have made', async () => {
    const first = await spend(6_000n);
    const second = await spend(5_000n, account, { merchant: { ...first.request.merchant, mcc: '5812' } });
    const third = await spend(4_000n);
    expect([first, second, third].map(({ reply }) => reply.outcome)).toEqual(['approved', 'approved', 'approved']);
    await spend(9_000n, world.accounts[1]);
    const result = await run(forCard({ limits: { day_amount: '10000' } }));
    expect(result).toMatchObject({
      replayed: 3,
      approved_to_declined: { count: 1, amount: '5000' },
      declined_to_approved: { count: 0, amount: '0' },
      newly_declined_by_reason: { amount_limit_exceeded: { count: 1, amount: '5000' } },
      by_merchant_group: { restaurants: { approved_to_declined: { count: 1, amount: '5000' } } },
      samples: { approved_to_declined: [await idOf(second.request)] },
      not_replayed: {},
    });
  });

  it("looks at all of a program's accounts, and one account's for its own", async () => {
    await spend(6_000n);
    await spend(6_000n, world.accounts[1]);
    const program = await run({
      kind: 'program',
      programId: world.programId,
      patch: { limits: { per_transaction_amount: '5000' } },
    });
    expect(program).toMatchObject({ replayed: 2, approved_to_declined: { count: 2, amount: '12000' } });
    const controls: SpendControls = { limits: { per_transaction_amount: '5000' } };
    const own = await run({ kind: 'account', accountId: account.accountId, controls });
    expect(own).toMatchObject({ replayed: 1, approved_to_declined: { count: 1, amount: '6000' } });
  });

  it('gives back what the network reversed, when it did', async () => {
    const first = await spend(9_000n);
    const second = await spend(4_000n);
    await reverse(second.request);
    const third = await spend(1_000n);
    await reverse(first.request, 5_000n);
    const fourth = await spend(5_000n);
    const fifth = await spend(1n);
    expect([third, fourth, fifth].map(({ reply }) => reply.outcome)).toEqual(['approved', 'approved', 'approved']);
    const result = await run(forCard({ limits: { day_amount: '10000' } }));
    // 90, then 40 too many; its reversal frees nothing here; 10 makes 100; 50 of the first come back, and are spent again.
    expect(result.samples.approved_to_declined).toEqual([await idOf(second.request), await idOf(fifth.request)]);
  });

  it('gives back what a final clearing left, and nothing twice', async () => {
    const first = await spend(9_000n);
    const cleared = cardEvent(first.request, 'clearing', { amount: 3_000n, final: true });
    expect((await recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, cleared)).kind).toBe('recorded');
    const late = cardEvent(first.request, 'clearing', { amount: 500n, final: true });
    expect((await recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, late)).kind).toBe('recorded');
    const second = await spend(6_000n);
    const third = await spend(1_001n);
    expect([second, third].map(({ reply }) => reply.outcome)).toEqual(['approved', 'approved']);
    const result = await run(forCard({ limits: { day_amount: '10000' } }));
    expect(result.samples.approved_to_declined).toEqual([await idOf(third.request)]);
  });

  const control = (controls: SpendControls) =>
    superuser('accounts')
      .where({ id: account.accountId })
      .update({ controls: JSON.stringify(controls), version: superuser.raw('version + 1') });

  const forAccount = (controls: SpendControls): WantedControls => ({
    kind: 'account',
    accountId: account.accountId,
    controls,
  });

  const more = (request: AuthorizationRequest, name: string, amount: bigint): AuthorizationRequest => ({
    ...request,
    messageId: `${request.messageId}-${name}`,
    contentHash: name,
    amount,
    amountBasis: 'delta',
    occurredAt: new Date(),
  });

  /** Another card of the same account. */
  async function sisterOf(card: WorldAccount): Promise<WorldAccount> {
    const { rows } = await superuser.raw(
      `WITH sister AS (INSERT INTO cards (organization_id, id, account_id, program_id, cardholder_id, state, processor,
           card_token, last_four, network, expiry_month, expiry_year)
         SELECT organization_id, gen_random_uuid(), account_id, program_id, cardholder_id, state, processor,
           'sister-' || id, last_four, network, 12, 2099
         FROM cards WHERE id = ? RETURNING organization_id, id, account_id, card_token)
       INSERT INTO card_routes (vendor, card_token, organization_id, card_id, account_id)
       SELECT 'lithic', card_token, organization_id, id, account_id FROM sister RETURNING card_id`,
      [card.cardId],
    );
    return { ...card, cardId: rows[0].card_id, cardToken: `sister-${card.cardId}` };
  }

  it("knows what an account's other cards spent, and tells of the card only", async () => {
    const sister = await sisterOf(account);
    await control({ limits: { day_amount: '10000' } });
    const first = await spend(1_000n);
    expect(first.reply.outcome).toBe('approved');
    expect((await spend(9_000n, sister)).reply.outcome).toBe('approved');
    const third = await spend(500n);
    expect(third.reply.declineReason).toBe('amount_limit_exceeded');
    const { id } = await begin(forCard({ blocked_mccs: ['7995'] }));
    await step(id);
    expect(await show(id)).toMatchObject({
      examined: 2,
      result: {
        replayed: 2,
        not_replayed: {},
        declined_to_approved: { count: 0 },
        approved_to_declined: { count: 0 },
      },
    });
    const stricter = await run(forCard({ limits: { per_transaction_amount: '999' } }));
    expect(stricter.samples).toMatchObject({
      approved_to_declined: [await idOf(first.request)],
      declined_to_approved: [await idOf(third.request)],
    });
  });

  it('counts what is told of a purchase after its end as one more', async () => {
    await control({ limits: { day_count: 1 } });
    const first = await spend(1_000n);
    expect(first.reply.outcome).toBe('approved');
    await reverse(first.request);
    const told = cardEvent(first.request, 'authorization_advice', { amount: 700n });
    await recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, told);
    const last = await spend(100n);
    expect(last.reply.declineReason).toBe('count_limit_exceeded');
    const same = await run(forAccount({ limits: { day_count: 1 } }));
    expect(same).toMatchObject({ not_replayed: {}, declined_to_approved: { count: 0 } });
    const looser = await run(forAccount({ limits: { day_amount: '799' } }));
    expect(looser.samples).toMatchObject({ approved_to_declined: [await idOf(first.request)] });
    expect(looser.samples.declined_to_approved).toEqual([await idOf(last.request)]);
  });

  it('counts what is cleared all the same, of what ran out as one more, and nothing of what the draft declined', async () => {
    const first = await spend(4_000n);
    await reverse(first.request);
    const cleared = cardEvent(first.request, 'clearing', { amount: 3_000n, final: true });
    expect((await recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, cleared)).kind).toBe('recorded');
    const second = await spend(3_500n);
    const third = await spend(3_500n);
    expect([second, third].map(({ reply }) => reply.outcome)).toEqual(['approved', 'approved']);
    const flipped = async (controls: SpendControls) => (await run(forCard(controls))).samples.approved_to_declined;
    expect(await flipped({ limits: { day_count: 3, day_amount: '10000' } })).toEqual([]);
    expect(await flipped({ limits: { day_count: 2, day_amount: '10000' } })).toEqual([await idOf(third.request)]);
    expect(await flipped({ limits: { day_amount: '9999' } })).toEqual([await idOf(third.request)]);
    // Without the first, there was nothing to clear.
    const strict: SpendControls = { limits: { per_transaction_amount: '3999', day_count: 2, day_amount: '7000' } };
    expect(await flipped(strict)).toEqual([await idOf(first.request)]);
  });

  it('flips nothing where the policy stays as it is and usage was summed a little after it was spent', async () => {
    world = await createSpendingWorld(database.superuserUrl, {
      accounts: 2,
      funds: { USDC: 10_000n * USDC },
      policy: { limits: {}, program_limits: { day_amount: '10000', headroom_bps: 0, time_zone: 'Etc/UTC' } },
    });
    organizationId = world.organizationId;
    const workerKnex = createKnex(database.urls.escudo_worker, 1, 'test-worker');
    try {
      await createProgramUsageSummer({ workerKnex, clock: systemClock }).run();
    } finally {
      await workerKnex.destroy();
    }
    // Each at a process of its own: what another one approved is seen with the next sum.
    for (const card of world.accounts) {
      expect((await newAuthorizer().authorize(purchase(card, 6_000n))).outcome).toBe('approved');
    }
    const result = await run({ kind: 'program', programId: world.programId, patch: {} });
    expect(result).toMatchObject({ replayed: 2, approved_to_declined: { count: 0 } });
  });

  /** Purchases of one account, and what may happen to them, at random but the same each time. */
  async function liveAtRandom(seed: number): Promise<readonly string[]> {
    let state = seed * 7_919 + 13;
    const random = (below: number) => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((state / 2_147_483_648) * below);
    };
    const told: string[] = [];
    const made: { readonly request: AuthorizationRequest; readonly id: string }[] = [];
    const happen = (...[request, kind, overrides]: Parameters<typeof cardEvent>) =>
      recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, cardEvent(request, kind, overrides));
    for (let step = 0; step < 14; step += 1) {
      const target = made[random(made.length)];
      const doing = target === undefined ? 0 : random(8);
      const amount = BigInt(500 + random(5) * 900);
      if (target === undefined || doing <= 2) {
        const { merchant } = purchase(account, amount);
        const request = purchase(account, amount, {
          partialApprovalAllowed: random(3) === 0,
          merchant: { ...merchant, id: `M-${random(2)}` },
        });
        const reply = await authorizer.authorize(request);
        told.push(`purchase of ${amount}: ${reply.declineReason ?? reply.outcome}`);
        if (reply.outcome !== 'declined') made.push({ request, id: reply.authorizationId ?? '' });
        continue;
      }
      const { request, id } = target;
      if (doing === 3) await authorizer.authorize(more(request, `${step}`, amount));
      else if (doing === 4) await happen(request, 'reversal', { amount: random(2) === 0 ? 200n : 1_000_000n });
      else if (doing === 5) await happen(request, 'clearing', { amount: 400n, final: random(2) === 0 });
      else if (doing === 6) {
        await superuser('authorizations')
          .where({ id })
          .update({ expires_at: superuser.raw("now() - interval '1 second'") });
        await expireAuthorization({ knex, clock: systemClock }, { organizationId, authorizationId: id });
      } else await happen(request, 'authorization_advice', { amount });
      told.push(`${doing} of ${amount} for ${made.indexOf(target)}`);
    }
    return told;
  }

  it.each<[string, SpendControls]>([
    ['amounts', { limits: { day_amount: '9000' } }],
    ['counts', { limits: { day_count: 3 } }],
    ['velocity', { velocity: [{ window_seconds: 3_600, max_count: 3, max_amount: '8000', per: 'account' }] }],
    ['a merchant lock', { merchant_lock: 'first_use', limits: { day_amount: '12000' } }],
    ['single use', { single_use: true }],
  ])('flips nothing with what is in force already, whatever happens: %s', async (name, controls) => {
    const flips: unknown[] = [];
    for (let seed = 1; seed <= 5; seed += 1) {
      const policy = { limits: {}, partial_approvals: true };
      world = await createSpendingWorld(database.superuserUrl, {
        accounts: 1,
        funds: { USDC: 10_000n * USDC },
        policy,
      });
      organizationId = world.organizationId;
      account = world.accounts[0] as WorldAccount;
      await control(controls);
      const told = await liveAtRandom(seed + name.length * 100);
      const { declined_to_approved, approved_to_declined, amount_changed, not_replayed } = await run(
        forAccount(controls),
      );
      const counts = [declined_to_approved.count, approved_to_declined.count, amount_changed.count, not_replayed];
      if (JSON.stringify(counts) !== '[0,0,0,{}]') flips.push({ seed, told, counts });
    }
    expect(flips).toEqual([]);
  });

  it('goes on where it was, page by page, to the same result', async () => {
    const requests: AuthorizationRequest[] = [];
    for (let index = 0; index < 7; index += 1) requests.push((await spend(2_000n)).request);
    await reverse(requests[1] as AuthorizationRequest);
    await spend(2_000n);
    await reverse(requests[2] as AuthorizationRequest);
    await spend(2_000n);
    const wanted = forCard({ limits: { day_amount: '9000', day_count: 5 } });
    const whole = await run(wanted);
    expect(whole.approved_to_declined.count).toBeGreaterThan(0);
    const { id } = await begin(wanted);
    let steps = 0;
    while (!(await step(id, { page: 2, pagesPerStep: 1 })).done) {
      steps += 1;
      const row = await show(id);
      expect(row.state).toBe('running');
      expect(row.cursor_at?.getTime()).toBeGreaterThan(row.period_from.getTime());
      expect(steps).toBeLessThan(20);
    }
    expect(steps).toBeGreaterThan(2);
    const row = await show(id);
    expect(row.result).toEqual(whole);
    expect(row.examined).toBe(9);
    for (const table of ['backtest_counters', 'backtest_changes']) {
      expect(await superuser(table).where({ backtest_id: id })).toEqual([]);
    }
    expect(await step(id)).toEqual({ done: true, state: 'finished' });
    expect((await show(id)).result).toEqual(whole);
  });

  it('changes nothing but its own rows', async () => {
    await spend(6_000n);
    await spend(5_000n);
    const { id } = await begin(forCard({ limits: { day_amount: '10000' } }));
    const tables = [
      'authorizations',
      'accounts',
      'cards',
      'limit_counters',
      'ledger_transfers',
      'ledger_accounts',
      'funding_legs',
      'control_versions',
    ];
    const rows = async () =>
      Object.fromEntries(
        await Promise.all(
          tables.map(async (table) => [
            table,
            await superuser(table).where({ organization_id: organizationId }).orderByRaw('1, 2'),
          ]),
        ),
      );
    const before = await rows();
    await step(id);
    expect(await rows()).toEqual(before);
  });

  it('ends before its next page when it is cancelled', async () => {
    for (let index = 0; index < 5; index += 1) await spend(2_000n);
    const { id } = await begin(forCard({ limits: { day_amount: '3000' } }));
    await step(id, { page: 2, pagesPerStep: 1 });
    const cancelled = expectOk(await inside((trx) => cancelBacktest(trx, deps, { organizationId, backtestId: id })));
    expect(cancelled).toMatchObject({ state: 'cancelled', examined: 2 });
    expect(await step(id)).toEqual({ done: true, state: 'cancelled' });
    expect((await show(id)).examined).toBe(2);
    expect(await superuser('backtest_counters').where({ backtest_id: id })).toEqual([]);
    const again = await inside((trx) => cancelBacktest(trx, deps, { organizationId, backtestId: id }));
    expect(expectOk(again).state).toBe('cancelled');
  });

  it('counts what it cannot take again', async () => {
    const { request } = await spend(6_000n);
    await superuser('authorizations')
      .where({ processor_authorization_id: request.processorAuthorizationId })
      .update({ receipt: JSON.stringify({ rules_version: '2026-10-1' }) });
    await spend(6_000n);
    const late = await spend(100n);
    await superuser('authorizations')
      .where({ processor_authorization_id: late.request.processorAuthorizationId })
      .update({ state: 'declined', decline_reason: 'late', approved_amount: 0 });
    const result = await run(forCard({ limits: { day_amount: '1000' } }));
    expect(result).toMatchObject({
      replayed: 1,
      approved_to_declined: { count: 1 },
      not_replayed: { inputs_missing: 1, answered_otherwise: 1 },
    });
  });

  it('takes a period that makes sense, and a few at a time', async () => {
    const version = await draft(forCard({}));
    const start = (from: Date, before: Date | null) =>
      inside((trx) =>
        startBacktest(trx, deps, { organizationId, versionId: version.id, from, before, createdBy: null }),
      );
    const ago = (days: number) => new Date(Date.now() - days * DAY_MS);
    const pointers = [
      await start(ago(1), new Date(Date.now() + DAY_MS)),
      await start(ago(1), ago(2)),
      await start(ago(120), ago(1)),
    ].map((result) => (result.ok ? null : result.error.pointer));
    expect(pointers).toEqual(['/before', '/from', '/from']);
    for (let index = 0; index < 3; index += 1) expect((await start(ago(2), ago(1))).ok).toBe(true);
    expect(await start(ago(2), ago(1))).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
    const commands = await superuser('outbox_commands').where({ organization_id: organizationId });
    expect(commands.map((command) => command.workflow_type)).toEqual(Array(3).fill('backtestControls'));
  });
});
