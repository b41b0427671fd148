import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { createAuthorizationPaths } from '../../../services/authorizations/authorization-paths';
import type { Authorizer } from '../../../services/authorizations/authorize-spend';
import { replayDecisions } from '../../../services/authorizations/replay-decisions';
import type { Receipt } from '../../../services/authorizations/rules/receipt';
import { createKnex } from '../../../services/database/knex';
import { inOrganization } from '../../../services/database/transaction';
import { createPartnerDesk, type PartnerObserver } from '../../../services/partner-decisions/ask-partner';
import { removePartnerEndpoint } from '../../../services/partner-decisions/remove-partner-endpoint';
import { rotatePartnerSecret } from '../../../services/partner-decisions/rotate-partner-secret';
import type { PartnerVerdict } from '../../../services/partner-decisions/rules/partner-verdict';
import { showPartnerEndpoint } from '../../../services/partner-decisions/show-partner-endpoint';
import type { AuthorizationReply } from '../../../services/providers/processor/port';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import type { Behaviour } from '../../../simulators/partner/app';
import { createPartnerWorld, type PartnerWorld, partnerKeys } from '../../builders/partner-world';
import { createSpendingWorld, purchase, type WorldAccount } from '../../builders/spending-world';
import { createTestAuthorizer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;
let superuser: Client;
let knex: Knex;
let pool: Pool;
let desk: ReturnType<typeof createPartnerDesk>;
let authorizer: Authorizer;
let now: () => Date;
const listening = new Set<PartnerWorld['partner']>();
const failures: unknown[] = [];
const moved: string[] = [];

const observer: PartnerObserver = {
  asked: () => undefined,
  decided: () => undefined,
  breakerMoved: (_endpoint, state) => moved.push(state),
  failed: (error) => failures.push(error),
};

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  knex = createKnex(database.urls.escudo_app, 4, 'test');
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
  now = systemClock.now;
  const clock = { now: () => now() };
  desk = createPartnerDesk({ pool, knex, keys: partnerKeys, clock, privateAllowed: true, observer });
  authorizer = createTestAuthorizer(pool, { partner: desk });
});

afterEach(() => {
  now = systemClock.now;
  moved.length = 0;
  expect(failures.splice(0)).toEqual([]);
});

afterAll(async () => {
  await desk.close();
  await Promise.all([...listening].map((partner) => partner.close()));
  await authorizer.close();
  await pool.end();
  await knex.destroy();
  await superuser.end();
  await database.drop();
});

async function newWorld(options: Parameters<typeof createPartnerWorld>[2] = {}): Promise<PartnerWorld> {
  const world = await createPartnerWorld(database.superuserUrl, knex, options);
  listening.add(world.partner);
  return world;
}

function onlyAccount(world: { readonly accounts: readonly WorldAccount[] }): WorldAccount {
  return required(world.accounts[0], 'the account');
}

function behave(world: PartnerWorld, mode: Behaviour['mode'], times: number | null = null): void {
  world.partner.behave({ mode, times, slow_ms: 0 });
}

/** What the receipt of an answer says of the partner. */
async function verdictOf(reply: AuthorizationReply): Promise<PartnerVerdict> {
  const { rows } = await superuser.query<{ receipt: string }>('SELECT receipt FROM authorizations WHERE id = $1', [
    reply.authorizationId,
  ]);
  const receipt = JSON.parse(required(rows[0], 'the authorization').receipt) as Receipt;
  return required(receipt.request.partner, 'the verdict');
}

async function freeFunds(accountId: string): Promise<bigint> {
  const { rows } = await superuser.query(
    `SELECT (posted_credits - posted_debits - pending_debits)::text AS free FROM ledger_accounts
     WHERE account_id = $1 AND type = 'cardholder.funds'`,
    [accountId],
  );
  return BigInt(rows[0].free);
}

/** Until the partner has received so many questions. */
async function untilAsked(world: PartnerWorld, times: number): Promise<void> {
  while (world.partner.questions().length < times) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Until the endpoint shows what `wanted` looks for. */
async function untilShown(
  world: PartnerWorld,
  wanted: (endpoint: { last_cause: string | null; breaker_state: string }) => boolean,
): Promise<void> {
  const { organizationId, programId } = world;
  for (;;) {
    const shown = await inOrganization(knex, organizationId, (trx) =>
      showPartnerEndpoint(trx, { organizationId, programId }),
    );
    if (shown.ok && wanted(shown.value)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('the fintech approves: the purchase is held, and the receipt says who agreed', async () => {
  const world = await newWorld();
  const account = onlyAccount(world);
  await superuser.query('UPDATE cardholders SET external_id = $1 WHERE id = $2', ['ada-7', account.cardholderId]);
  const request = purchase(account, 4_250n);
  const reply = await authorizer.authorize(request);
  expect(reply).toMatchObject({ outcome: 'approved', approvedAmount: 4_250n });
  const verdict = await verdictOf(reply);
  expect(verdict).toMatchObject({ decision: 'approve', source: 'partner', cause: 'answered', reason: null });

  const [question] = world.partner.questions();
  expect(question).toMatchObject({ id: verdict.requestId, signature: 'valid', test: false });
  expect(question?.body).toMatchObject({
    type: 'authorization.requested',
    id: verdict.requestId,
    authorization: {
      id: `auth_${reply.authorizationId?.replaceAll('-', '')}`,
      card_id: `card_${account.cardId.replaceAll('-', '')}`,
      cardholder_external_id: 'ada-7',
      processor_authorization_id: request.processorAuthorizationId,
      requested: { amount: '42.50', asset: 'USD' },
      merchant: { name: 'Corner Grocer', mcc: '5411' },
      channel: 'chip',
    },
    escudo: { approvable: { amount: '42.50', asset: 'USD' }, flags: [] },
  });
  const { respond_by } = required(question, 'the question').body as { respond_by: string };
  expect(Date.parse(respond_by)).toBeLessThan(request.respondBy.getTime());
  expect(JSON.stringify(question?.body)).not.toContain(account.cardToken);
});

test('the fintech declines: nothing is held, its words are in the receipt', async () => {
  const world = await newWorld();
  world.partner.setRules({ decline_above: '20.00' });
  const account = onlyAccount(world);
  const reply = await authorizer.authorize(purchase(account, 4_250n));
  expect(reply).toMatchObject({ outcome: 'declined', declineReason: 'partner_declined' });
  expect(await verdictOf(reply)).toMatchObject({ decision: 'decline', source: 'partner', reason: 'above 20.00' });
  expect(await freeFunds(account.accountId)).toBe(500_000_000n);
  expect(await authorizer.authorize(purchase(account, 1_000n))).toMatchObject({ outcome: 'approved' });
});

test('it is not asked about what we decline ourselves, nor where nothing would be held', async () => {
  const world = await newWorld();
  const account = onlyAccount(world);
  expect(await authorizer.authorize(purchase(account, 9_000_000n))).toMatchObject({ outcome: 'declined' });
  const casino = { id: 'M-2', name: 'Casino', city: 'Vegas', country: 'USA', mcc: '7995' };
  expect(await authorizer.authorize(purchase(account, 100n, { merchant: casino }))).toMatchObject({
    declineReason: 'mcc_blocked',
  });
  expect(await authorizer.authorize(purchase(account, 0n, { kind: 'zero_amount_verification' }))).toMatchObject({
    outcome: 'approved',
  });
  expect(await authorizer.authorize(purchase(account, 0n, { kind: 'balance_inquiry' }))).toMatchObject({
    outcome: 'approved',
  });
  expect(world.partner.questions()).toEqual([]);
});

test.each([
  ['silent', 'timeout'],
  ['cut', 'error'],
  ['fail', 'error'],
  ['redirect', 'error'],
  ['garbage', 'invalid_answer'],
  ['invalid', 'invalid_answer'],
  ['oversized', 'invalid_answer'],
] as const)('a fintech that is %s: the stand-in rules decide, the receipt says %s', async (mode, cause) => {
  const world = await newWorld({
    decision: { timeout_ms: 400, stand_in: { default: 'decline', approve_up_to: '1000' } },
  });
  behave(world, mode);
  const account = onlyAccount(world);
  const small = await authorizer.authorize(purchase(account, 1_000n));
  expect(small).toMatchObject({ outcome: 'approved', approvedAmount: 1_000n });
  expect(await verdictOf(small)).toMatchObject({ decision: 'approve', source: 'stand_in', cause, reason: null });
  const large = await authorizer.authorize(purchase(account, 1_001n));
  expect(large).toMatchObject({ outcome: 'declined', declineReason: 'partner_declined' });
  expect(await verdictOf(large)).toMatchObject({ decision: 'decline', source: 'stand_in', cause });
  // Asked once each, and nowhere else: a redirect is not followed.
  expect(world.partner.questions()).toHaveLength(2);
  await untilShown(world, (endpoint) => endpoint.last_cause === cause);
});

test('a fintech that is gone, an endpoint that is switched off or removed: the stand-in rules decide', async () => {
  const world = await newWorld({ decision: { stand_in: { default: 'approve' } } });
  const account = onlyAccount(world);
  const { organizationId, programId } = world;
  await world.partner.close();
  listening.delete(world.partner);
  const gone = await authorizer.authorize(purchase(account, 100n));
  expect(await verdictOf(gone)).toMatchObject({ decision: 'approve', source: 'stand_in', cause: 'error' });
  await superuser.query("UPDATE partner_endpoints SET state = 'disabled' WHERE program_id = $1", [programId]);
  const off = await authorizer.authorize(purchase(account, 100n));
  expect(await verdictOf(off)).toMatchObject({ cause: 'not_configured', requestId: null });
  await inOrganization(knex, organizationId, (trx) => removePartnerEndpoint(trx, { organizationId, programId }));
  const removed = await authorizer.authorize(purchase(account, 100n));
  expect(await verdictOf(removed)).toMatchObject({ decision: 'approve', cause: 'not_configured' });
});

test('a fintech that does not know the secret refuses, and is stood in for', async () => {
  const world = await newWorld();
  const { organizationId, programId } = world;
  const account = onlyAccount(world);
  const rotate = (overlapHours: number) =>
    inOrganization(knex, organizationId, (trx) =>
      rotatePartnerSecret(trx, { keys: partnerKeys, clock: systemClock }, { organizationId, programId, overlapHours }),
    );
  // With an overlap questions carry both signatures, so that a fintech that knows only the former secret still verifies.
  await rotate(24);
  expect(await authorizer.authorize(purchase(account, 100n))).toMatchObject({ outcome: 'approved' });
  // Without one the former is worth nothing at once.
  const rotated = await rotate(0);
  const refused = await authorizer.authorize(purchase(account, 100n));
  expect(refused).toMatchObject({ outcome: 'declined', declineReason: 'partner_declined' });
  expect(await verdictOf(refused)).toMatchObject({ source: 'stand_in', cause: 'error' });
  expect(world.partner.questions().at(-1)).toMatchObject({ signature: 'invalid' });
  if (!rotated.ok || rotated.value.secret === null) throw new Error('no secret was shown');
  world.partner.learnSecret(rotated.value.secret);
  expect(await authorizer.authorize(purchase(account, 100n))).toMatchObject({ outcome: 'approved' });
});

test('the breaker opens, lets nothing through, admits one question when its time is up, and closes', async () => {
  const world = await newWorld({
    decision: { timeout_ms: 20_000, stand_in: { default: 'approve' }, breaker: { failures: 3, open_seconds: 60 } },
  });
  const account = onlyAccount(world);
  behave(world, 'fail');
  for (let time = 0; time < 3; time += 1) await authorizer.authorize(purchase(account, 100n));
  expect(moved).toEqual(['open']);
  const during = await authorizer.authorize(purchase(account, 100n));
  expect(await verdictOf(during)).toMatchObject({ decision: 'approve', cause: 'breaker_open', requestId: null });
  expect(world.partner.questions()).toHaveLength(3);
  await untilShown(world, (endpoint) => endpoint.breaker_state === 'open');

  const opened = Date.now();
  now = () => new Date(opened + 61_000);
  behave(world, 'held');
  const later = { respondBy: new Date(opened + 120_000) };
  const probe = authorizer.authorize(purchase(account, 100n, later));
  await untilAsked(world, 4);
  // The probe is on its way: nobody else waits for it.
  const beside = await authorizer.authorize(purchase(account, 100n, later));
  expect(await verdictOf(beside)).toMatchObject({ cause: 'breaker_open' });
  world.partner.release('fail');
  expect(await verdictOf(await probe)).toMatchObject({ cause: 'error' });
  expect(moved).toEqual(['open', 'half_open', 'open']);

  behave(world, 'normal');
  now = () => new Date(opened + 150_000);
  const again = { respondBy: new Date(opened + 240_000) };
  const answered = await authorizer.authorize(purchase(account, 100n, again));
  expect(await verdictOf(answered)).toMatchObject({ source: 'partner', cause: 'answered' });
  expect(moved).toEqual(['open', 'half_open', 'open', 'half_open', 'closed']);
  await untilShown(world, (endpoint) => endpoint.breaker_state === 'closed');
  const { rows } = await superuser.query('SELECT type FROM events WHERE resource_id = $1 ORDER BY id', [
    world.programId,
  ]);
  expect(rows.map((row) => row.type)).toEqual([
    'program.partner_endpoint_created',
    'program.partner_unreachable',
    'program.partner_recovered',
  ]);
});

test('while one fintech is silent, purchases of other programs and of its own other accounts are answered', async () => {
  const accounts = 100;
  const slow = await newWorld({ accounts, decision: { timeout_ms: 20_000 } });
  const asking = await newWorld();
  const plain = await createSpendingWorld(database.superuserUrl, { accounts: 4, funds: { USDC: 500_000_000n } });
  behave(slow, 'held');
  const answered = new Set<WorldAccount>();
  const pending = slow.accounts.map(async (account) => {
    const reply = await authorizer.authorize(purchase(account, 100n));
    answered.add(account);
    return reply;
  });
  // As many as may wait at once; the others are decided without it right away.
  await untilAsked(slow, 64);
  const others = await Promise.all([
    ...plain.accounts.map((account) => authorizer.authorize(purchase(account, 100n))),
    authorizer.authorize(purchase(onlyAccount(asking), 100n)),
  ]);
  for (const reply of others) expect(reply).toMatchObject({ outcome: 'approved' });
  expect(accounts - answered.size).toBeGreaterThanOrEqual(64);

  slow.partner.release('normal');
  const replies = await Promise.all(pending);
  const causes = (await Promise.all(replies.map(verdictOf))).map(({ cause }) => cause);
  expect(causes.filter((cause) => cause === 'answered')).toHaveLength(64);
  expect(causes.filter((cause) => cause === 'overloaded')).toHaveLength(accounts - 64);
  expect(slow.partner.questions()).toHaveLength(64);
});

test('funds spent while the fintech thinks are not spent twice: the plan is made on what is there afterwards', async () => {
  const world = await newWorld({ decision: { timeout_ms: 20_000 } });
  const account = onlyAccount(world);
  behave(world, 'held', 1);
  const first = authorizer.authorize(purchase(account, 30_000n));
  await untilAsked(world, 1);
  const second = await authorizer.authorize(purchase(account, 30_000n));
  expect(second).toMatchObject({ outcome: 'approved', approvedAmount: 30_000n });
  world.partner.release('normal');
  const late = await first;
  expect(late).toMatchObject({ outcome: 'declined', declineReason: 'insufficient_funds' });
  expect(await verdictOf(late)).toMatchObject({ decision: 'approve', source: 'partner' });
  expect(world.partner.questions()).toHaveLength(2);
  expect(await freeFunds(account.accountId)).toBeGreaterThan(0n);
});

describe('a part of a purchase that the fintech agreed to', () => {
  /** Asks for 300.00 where 200.00 are covered, and changes the funds by `cents` while the fintech thinks. */
  async function partOf(options: Parameters<typeof newWorld>[0], behaviour: Behaviour['mode'], cents: bigint) {
    const world = await newWorld({
      funds: { USDC: 201_000_000n },
      policy: { partial_approvals: true },
      ...options,
      decision: { timeout_ms: behaviour === 'held' ? 300 : 20_000, ...options?.decision },
    });
    const account = onlyAccount(world);
    behave(world, 'held', 1);
    const waiting = authorizer.authorize(purchase(account, 30_000n, { partialApprovalAllowed: true }));
    await untilAsked(world, 1);
    // As its deposit would: the account's version moves with its funds.
    await superuser.query(
      `UPDATE ledger_accounts SET posted_credits = posted_credits + $2, version = version + 1
       WHERE account_id = $1 AND type = 'cardholder.funds'`,
      [account.accountId, (cents * 10_000n).toString()],
    );
    await superuser.query('UPDATE accounts SET version = version + 1 WHERE id = $1', [account.accountId]);
    if (behaviour !== 'held') world.partner.release(behaviour);
    const reply = await waiting;
    const [question] = world.partner.questions();
    return { reply, question, held: 201_000_000n + cents * 10_000n - (await freeFunds(account.accountId)) };
  }

  test('stays that part when funds arrive meanwhile', async () => {
    const { reply, held } = await partOf({}, 'normal', 50_000n);
    expect(reply).toMatchObject({ outcome: 'partially_approved', approvedAmount: 20_000n });
    expect(held).toBe(201_000_000n);
    expect(await verdictOf(reply)).toMatchObject({ decision: 'approve', source: 'partner', askedAmount: '20000' });
    const authorizationId = required(reply.authorizationId, 'the authorization');
    const readonly = createKnex(database.urls.escudo_readonly, 1, 'test-replay');
    for await (const decision of replayDecisions(readonly, { kind: 'one', authorizationId }))
      expect(decision).toMatchObject({ answer: 'same', differences: [] });
    await readonly.destroy();
    expect.assertions(5);
  });

  test('is less when funds went meanwhile', async () => {
    const { reply } = await partOf({}, 'normal', -10_050n);
    expect(reply).toMatchObject({ outcome: 'partially_approved', approvedAmount: 10_000n });
  });

  test('is all of it where the stand-in rules decided: they are about the whole purchase', async () => {
    const { reply } = await partOf({ decision: { stand_in: { default: 'approve' } } }, 'held', 50_000n);
    expect(await verdictOf(reply)).toMatchObject({ source: 'stand_in', cause: 'timeout' });
    expect(reply).toMatchObject({ outcome: 'approved', approvedAmount: 30_000n });
  });
});

test('a program that is switched off while the fintech thinks: nothing is held', async () => {
  const world = await newWorld({ decision: { timeout_ms: 20_000 } });
  const account = onlyAccount(world);
  behave(world, 'held');
  const waiting = authorizer.authorize(purchase(account, 100n));
  await untilAsked(world, 1);
  await superuser.query("UPDATE programs SET state = 'disabled' WHERE id = $1", [world.programId]);
  world.partner.release('normal');
  expect(await waiting).toMatchObject({ outcome: 'declined', declineReason: 'program_disabled' });
  expect(await freeFunds(account.accountId)).toBe(500_000_000n);
});

test('a message that is repeated while the fintech thinks is asked once, and answered alike', async () => {
  const world = await newWorld({ decision: { timeout_ms: 20_000 } });
  const account = onlyAccount(world);
  behave(world, 'held');
  const request = purchase(account, 100n);
  const repeated = [authorizer.authorize(request)];
  await untilAsked(world, 1);
  for (let time = 0; time < 5; time += 1) repeated.push(authorizer.authorize(request));
  world.partner.release('normal');
  const replies = await Promise.all(repeated);
  for (const reply of replies) expect(reply).toEqual(replies[0]);
  expect(await authorizer.authorize(request)).toEqual(replies[0]);
  expect(world.partner.questions()).toHaveLength(1);
});

test('a program that asks its fintech is answered directly, also where its path is the workflow', async () => {
  const asking = await newWorld();
  const silent = await newWorld({ decision: { enabled: false } });
  const plain = await createSpendingWorld(database.superuserUrl, { accounts: 1 });
  const worlds = [asking, silent, plain];
  await superuser.query("UPDATE programs SET authorization_path = 'workflow' WHERE id = ANY ($1)", [
    worlds.map(({ programId }) => programId),
  ]);
  const paths = createAuthorizationPaths({ pool, failed: (error) => failures.push(error) });
  const programs = [];
  for (const world of worlds) {
    programs.push((await paths.workflowProgramOf(purchase(onlyAccount(world), 100n)))?.programId ?? null);
  }
  expect(programs).toEqual([null, silent.programId, plain.programId]);
});

test('no time to ask: the stand-in rules decide, and the network still has its answer', async () => {
  const world = await newWorld({ decision: { stand_in: { default: 'approve' } } });
  const soon = { respondBy: new Date(Date.now() + 305) };
  const reply = await authorizer.authorize(purchase(onlyAccount(world), 100n, soon));
  expect(world.partner.questions()).toEqual([]);
  if (reply.declineReason !== 'late') {
    expect(await verdictOf(reply)).toMatchObject({ source: 'stand_in', cause: 'timeout', requestId: null });
  }
});
