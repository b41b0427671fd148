import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { createKnex } from '../../../services/database/knex';
import { inOrganization } from '../../../services/database/transaction';
import { bankSettlementOf, expenseOf, networkPayableOf, revenueOf } from '../../../services/ledger/account-refs';
import type { LedgerAccountRef } from '../../../services/ledger/draft';
import { balanceOf } from '../../../services/ledger/ledger.repository';
import { postTransactions } from '../../../services/ledger/post-transactions';
import { settleNetwork } from '../../../services/ledger/templates/settle-network';
import { listStuckWork } from '../../../services/operations/list-stuck-work';
import { createBank } from '../../../services/providers/off-ramp/bank';
import type { BankStatements, BankTransaction } from '../../../services/providers/off-ramp/port';
import { createLithic, type Lithic } from '../../../services/providers/processor/lithic';
import type {
  CardEvent,
  NetworkSettlementItem,
  Processor,
  VendorOutcome,
} from '../../../services/providers/processor/port';
import { acceptDifference } from '../../../services/settlement/accept-difference';
import { advanceSettlement } from '../../../services/settlement/advance-settlement';
import { closeSettlement } from '../../../services/settlement/close-settlement';
import { compareAgain } from '../../../services/settlement/compare-again';
import { correctBooks } from '../../../services/settlement/correct-books';
import { sweepEndedSettlements } from '../../../services/settlement/sweep-ended-settlements';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import { sumBigint } from '../../../services/shared/money';
import { startCardNetwork } from '../../../simulators/card-network/app';
import { startOffRampVendor } from '../../../simulators/off-ramp-vendor/app';
import { createSpendingWorld, type SpendingWorld } from '../../builders/spending-world';
import { testSealer } from '../../builders/test-authorizer';
import { type IssuerServer, startIssuerServer } from '../../contract/support/issuer-server';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const API_KEY = 'lithic-test-key';
const ASA_SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;
const EVENTS_SECRET = `whsec_${Buffer.alloc(32, 4).toString('base64')}`;
const DAY_MS = 86_400_000;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

let database: TestDatabase;
let superuser: Client;
let knex: Knex;
let workerKnex: Knex;
let issuer: IssuerServer;
let vendor: Awaited<ReturnType<typeof startOffRampVendor>>;
let network: Awaited<ReturnType<typeof startCardNetwork>>;
let lithic: Lithic;
let world: SpendingWorld;
let cardToken: string;
/** How many of the events that the network has told are recorded on our side. */
let recorded: number;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  knex = createKnex(database.urls.escudo_app, 6, 'settlement-test');
  workerKnex = createKnex(database.urls.escudo_worker, 2, 'settlement-test-scan');
  issuer = await startIssuerServer(() => lithic.ingress);
});

afterAll(async () => {
  await issuer.close();
  await workerKnex.destroy();
  await knex.destroy();
  await superuser.end();
  await database.drop();
});

/** The vendor that the bank lives with; no chain is needed for it. */
function startBank(port: number) {
  return startOffRampVendor({
    port,
    dataFile: null,
    apiKey: 'sk-test',
    customerId: 'customer',
    externalAccountId: 'external',
    bankApiKey: 'bank-key',
    bankAccountId: 'settlement',
    webhookUrl: null,
    webhookPrivateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    rpcUrl: 'http://127.0.0.1:1',
    tokens: {},
    confirmations: 1,
  });
}

beforeEach(async () => {
  issuer.reset();
  corrections = { entries: [], items: [] };
  recorded = 0;
  vendor = await startBank(0);
  network = await startCardNetwork({
    port: 0,
    dataFile: null,
    apiKey: API_KEY,
    asaSecret: ASA_SECRET,
    eventsSecret: EVENTS_SECRET,
    asaUrl: issuer.authorizationsUrl,
    eventsUrl: issuer.eventsUrl,
    asaTimeoutMs: 400,
    bank: { baseUrl: `${vendor.url}/bank`, apiKey: 'bank-key', accountId: 'settlement' },
    retryDelaysMs: [20],
  });
  lithic = createLithic({
    baseUrl: network.url,
    apiKey: API_KEY,
    asaSecrets: [ASA_SECRET],
    eventSecrets: [EVENTS_SECRET],
    network: 'visa',
  });
  world = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 1_000_000_000n } });
  cardToken = await issueAtNetwork(world);
});

afterEach(async () => {
  await lithic.close();
  await network.close();
  await vendor.close();
});

function okValue<T>(outcome: VendorOutcome<T>): T {
  if (outcome.kind !== 'ok') throw new Error(JSON.stringify(outcome));
  return outcome.value;
}

/** Gives the world's card the token of one that the network has made. */
async function issueAtNetwork(of: SpendingWorld): Promise<string> {
  const card = okValue(
    await lithic.processor.createCard({
      idempotencyKey: randomUUID(),
      kind: 'virtual',
      memo: 'test',
      programToken: of.programId,
    }),
  );
  const { cardId } = required(of.accounts[0], 'account');
  await superuser.query('UPDATE cards SET card_token = $2 WHERE id = $1', [cardId, card.cardToken]);
  await superuser.query('UPDATE card_routes SET card_token = $2 WHERE card_id = $1', [cardId, card.cardToken]);
  return card.cardToken;
}

/** Waits until the network has told of `count` movements in all; they are not recorded yet. */
async function told(count: number): Promise<readonly CardEvent[]> {
  while (issuer.events.length < count) await delay(10);
  return issuer.events;
}

async function record(...events: readonly CardEvent[]): Promise<void> {
  for (const event of events) {
    expect((await recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, event)).kind).toBe('recorded');
    recorded += 1;
  }
}

/** A clearing without authorization, recorded on our side. */
async function spend(amount: bigint, token = cardToken): Promise<void> {
  okValue(await lithic.sandbox.forcePost({ cardToken: token, amount }));
  await record(required((await told(recorded + 1))[recorded], 'event'));
}

async function refund(amount: bigint): Promise<void> {
  okValue(await lithic.sandbox.refund({ cardToken, amount }));
  await record(required((await told(recorded + 1))[recorded], 'event'));
}

const day = (offset = 0) => new Date(Date.now() + offset * DAY_MS).toISOString().slice(0, 10);
const settleAtNetwork = async (date = day()) => okValue(await lithic.sandbox.settle({ date }));

/** A clock that has seen the days to come, so that their settlements can be closed. */
const tomorrow = { now: () => new Date(Date.now() + DAY_MS) };

async function close(of = world, date = day()) {
  const { organizationId, programId } = of;
  return inOrganization(knex, organizationId, async (trx) => {
    const closed = await closeSettlement(trx, { clock: tomorrow }, { organizationId, programId, date });
    if (!closed.ok) throw new Error(closed.error.detail);
    return closed.value;
  });
}

/** What bank and network have put right since: later entries of the statement, and movements added to the report. */
let corrections: { readonly entries: BankTransaction[]; readonly items: NetworkSettlementItem[] };

/** What a look has read last before it records. */
type LastRead = 'report' | 'bank';

/** `read` is waited for between each answer of network or bank and what is recorded of it. */
function step(settlementId: string, of = world, read: (what: LastRead) => Promise<void> = () => Promise.resolve()) {
  const { statements } = createBank({ baseUrl: `${vendor.url}/bank`, apiKey: 'bank-key', accountId: 'settlement' });
  const bank: BankStatements = {
    ...statements,
    async transactions(query) {
      const page = await statements.transactions(query);
      if (page.kind !== 'ok' || page.value.hasMore) return page;
      const data = [...page.value.data, ...corrections.entries];
      await read('bank');
      return { ...page, value: { ...page.value, data } };
    },
  };
  const processor: Pick<Processor, 'vendor' | 'settlementSummary'> = {
    vendor: lithic.processor.vendor,
    async settlementSummary(date) {
      const summary = await lithic.processor.settlementSummary(date);
      if (summary.kind !== 'ok') return summary;
      const items = [...summary.value.items, ...corrections.items];
      const added = sumBigint(corrections.items.map(({ amount }) => amount));
      // The least that can be told apart lies between two versions of the report.
      const updatedAt = new Date(summary.value.updatedAt.getTime() + corrections.items.length);
      const value = { ...summary.value, items, netAmount: summary.value.netAmount + added, updatedAt };
      await read('report');
      return { ...summary, value };
    },
  };
  return advanceSettlement(
    { knex, clock: systemClock, processor, bank },
    { organizationId: of.organizationId, settlementId },
  );
}

/** A look that has read the network's report and the bank, or the report only, by now, and records what it read once it is let. */
async function lookAndHold(settlementId: string, last: LastRead = 'bank'): Promise<() => ReturnType<typeof step>> {
  const gate = new EventEmitter();
  const held = once(gate, 'record').then(() => undefined);
  const hasRead = once(gate, 'read');
  const look = step(settlementId, world, (what) => {
    if (what !== last) return Promise.resolve();
    gate.emit('read');
    return held;
  });
  await Promise.race([hasRead, look]);
  return () => {
    gate.emit('record');
    return look;
  };
}

/** Steps while nothing has to be waited for. */
async function drive(settlementId: string, of = world) {
  for (;;) {
    const result = await step(settlementId, of);
    if (result.done || result.waitMs !== 0) return result;
  }
}

const rows = async (table: string, of = world) =>
  (await superuser.query(`SELECT * FROM ${table} WHERE organization_id = $1 ORDER BY id`, [of.organizationId])).rows;
const row = async (settlementId: string, of = world) =>
  required(
    (await rows('settlements', of)).find((each) => each.id === settlementId),
    'settlement',
  );
const events = async (of = world) =>
  (await rows('events', of)).map((event) => event.type).filter((type) => type.startsWith('settlement.'));
const balance = (ref: LedgerAccountRef, of = world) =>
  inOrganization(knex, of.organizationId, (trx) => balanceOf(trx, of.organizationId, ref));
const states = async () => (await rows('card_transactions')).map((transaction) => transaction.state);

it('is reconciled when network, ledger and bank say the same', async () => {
  await spend(5_000n);
  await refund(1_250n);
  const { id } = await close();
  expect(await step(id)).toMatchObject({ done: false, state: 'open', reason: 'the network has not closed the date' });

  await settleAtNetwork();
  expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
  expect(await row(id)).toMatchObject({
    state: 'reconciled',
    network_amount: 3_750n,
    ledger_amount: 3_750n,
    bank_reference: `LITHIC-SETTLEMENT-${day()}`,
    difference: null,
  });
  expect(await balance(networkPayableOf(world.programId))).toBe(0n);
  expect(await balance(bankSettlementOf('operating'))).toBe(-3_750n);
  expect(await states()).toEqual(['settled', 'settled']);
  expect(await events()).toEqual(['settlement.closed', 'settlement.reconciled']);
});

it('waits for the bank, whose entry comes late', async () => {
  await spend(5_000n);
  const { id } = await close();
  // The network closes its day, but the bank is not told.
  await vendor.close();
  expect((await lithic.sandbox.settle({ date: day() })).kind).not.toBe('ok');
  vendor = await startBank(vendor.port);
  expect(await drive(id)).toMatchObject({
    done: false,
    state: 'closed',
    reason: expect.stringContaining('not at the bank yet'),
  });
  expect(await balance(bankSettlementOf('operating'))).toBe(0n);
  expect(await states()).toEqual(['posted']);

  await settleAtNetwork();
  expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
  expect(await balance(bankSettlementOf('operating'))).toBe(-5_000n);
});

it('stays open with a difference that is told once, and closes when the missing clearing arrives', async () => {
  await spend(5_000n);
  okValue(await lithic.sandbox.forcePost({ cardToken, amount: 700n }));
  const late = required((await told(2))[1], 'late event');
  const { id } = await close();
  await settleAtNetwork();
  for (let looks = 0; looks < 2; looks += 1) expect(await drive(id)).toMatchObject({ done: false, state: 'open' });
  expect(await row(id)).toMatchObject({ state: 'open', network_amount: 5_700n, ledger_amount: 5_000n });
  expect((await row(id)).difference).toContain(late.messageId);
  expect(await events()).toEqual(['settlement.difference_found']);
  expect(await balance(bankSettlementOf('operating'))).toBe(0n);

  await record(late);
  expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
  expect((await row(id)).difference).toBeNull();
  expect(await events()).toEqual(['settlement.difference_found', 'settlement.closed', 'settlement.reconciled']);
  expect(await balance(networkPayableOf(world.programId))).toBe(0n);
});

it('stays open when the network leaves out what we posted on an earlier day', async () => {
  await spend(5_000n);
  const phantom = required(issuer.events[0], 'event');
  await record({
    ...phantom,
    messageId: 'phantom',
    processorAuthorizationId: 'phantom',
    amount: 300n,
    effectiveAt: new Date(Date.now() - 2 * DAY_MS),
  });
  const { id } = await close();
  await settleAtNetwork();
  expect(await drive(id)).toMatchObject({ done: false, state: 'open', reason: expect.stringContaining('phantom') });
  expect(await row(id)).toMatchObject({ network_amount: 5_000n, ledger_amount: 5_300n });
});

it('is paid by the network when refunds exceed clearings', async () => {
  await spend(1_000n);
  await refund(2_205n);
  const { id } = await close();
  await settleAtNetwork();
  expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
  expect(await row(id)).toMatchObject({ network_amount: -1_205n, ledger_amount: -1_205n });
  expect(await balance(bankSettlementOf('operating'))).toBe(1_205n);
  expect(await balance(networkPayableOf(world.programId))).toBe(0n);
});

it('settles once, however often and by how many it is asked', async () => {
  await spend(5_000n);
  await settleAtNetwork();
  const [first, second] = await Promise.all([close(), close()]);
  expect(second.id).toBe(first.id);
  for (let round = 0; round < 3; round += 1) await Promise.allSettled([step(first.id), step(first.id)]);
  expect(await drive(first.id)).toEqual({ done: true, state: 'reconciled' });
  expect(await balance(bankSettlementOf('operating'))).toBe(-5_000n);
  expect(await events()).toEqual(['settlement.closed', 'settlement.reconciled']);
  const commands = await rows('outbox_commands');
  const own = commands.filter((command) => command.workflow_type === 'settleNetwork');
  expect(new Set(own.map((command) => command.workflow_id))).toEqual(new Set([`settlement:${first.id}`]));
});

it('leaves what comes after the close to the next date, and pays nothing for a date of nothing', async () => {
  await spend(5_000n);
  const { id } = await close();
  await settleAtNetwork();
  await spend(300n);
  expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
  expect(await balance(networkPayableOf(world.programId))).toBe(300n);

  const following = await close(world, day(1));
  await settleAtNetwork(day(1));
  expect(await drive(following.id)).toEqual({ done: true, state: 'reconciled' });
  expect(await balance(networkPayableOf(world.programId))).toBe(0n);

  const yesterday = await close(world, day(-1));
  await settleAtNetwork(day(-1));
  expect(await drive(yesterday.id)).toEqual({ done: true, state: 'reconciled' });
  expect(await row(yesterday.id)).toMatchObject({ network_amount: 0n, ledger_amount: 0n });
});

/** A settlement of 50.00 for which the bank has moved another amount. */
async function paidOtherwise(amount: string): Promise<string> {
  await spend(5_000n);
  const { id } = await close();
  const reference = `LITHIC-SETTLEMENT-${day()}`;
  await fetch(`${vendor.url}/bank/sim/debits`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ account_id: 'settlement', reference, amount }),
  });
  expect((await lithic.sandbox.settle({ date: day() })).kind).not.toBe('ok');
  return id;
}

it('stays paid with a difference when the bank moved another amount than the network reported', async () => {
  const id = await paidOtherwise('51.00');
  const expected = {
    done: false,
    state: 'paid',
    waitMs: null,
    reason: expect.stringContaining('the bank moved 51.00'),
  };
  for (let looks = 0; looks < 2; looks += 1) expect(await drive(id)).toMatchObject(expected);
  expect(await balance(bankSettlementOf('operating'))).toBe(-5_100n);
  expect(await balance(networkPayableOf(world.programId))).toBe(-100n);
  expect(await events()).toEqual(['settlement.closed', 'settlement.difference_found']);
});

/** The network names one more movement of the date, in a newer report. Returns its event, which is not recorded yet. */
function namesMore(amount: bigint): CardEvent {
  const first = required(issuer.events[0], 'event');
  corrections.items.push({ cardToken, messageIds: ['named-late'], amount });
  return { ...first, messageId: 'named-late', processorAuthorizationId: 'named-late', amount };
}

describe('a look at an older report than the one recorded last', () => {
  it('does not close what the newer one leaves open', async () => {
    await spend(5_000n);
    const { id } = await close();
    await settleAtNetwork();
    const recordOlder = await lookAndHold(id, 'report');
    const late = namesMore(100n);
    const newer = await drive(id);
    expect(newer).toMatchObject({ state: 'open', reason: expect.stringContaining('1 not on the ledger (named-late)') });
    const stands = await row(id);

    expect(await recordOlder()).toEqual(newer);
    expect(await row(id)).toEqual(stands);
    expect(await events()).toEqual(['settlement.difference_found']);

    await record(late);
    expect(await drive(id)).toMatchObject({ state: 'paid', reason: expect.stringContaining('the bank moved 50.00') });
  });

  it('does not end what the newer one says is not paid in full', async () => {
    await spend(5_000n);
    const { id } = await close();
    await settleAtNetwork();
    expect(await step(id)).toMatchObject({ state: 'closed', waitMs: 0 });
    const recordOlder = await lookAndHold(id);
    namesMore(100n);
    const newer = await drive(id);
    expect(newer).toMatchObject({ state: 'paid', reason: expect.stringContaining('network 51.00, ledger 50.00') });

    expect(await recordOlder()).toEqual(newer);
    expect(await row(id)).toMatchObject({ state: 'paid', network_amount: 5_100n });
    expect(await events()).toEqual(['settlement.closed', 'settlement.difference_found']);
  });

  it('waits for the newer one where that has closed the date, and the bank was not seen yet', async () => {
    await spend(5_000n);
    const { id } = await close();
    await settleAtNetwork();
    const late = namesMore(100n);
    await record(late);
    expect(await step(id)).toMatchObject({ state: 'closed' });
    corrections.items.pop();
    expect(await step(id)).toMatchObject({ done: false, state: 'closed' });
    expect(await row(id)).toMatchObject({ state: 'closed', network_amount: 5_100n, paid_amount: null });
    expect(await balance(bankSettlementOf('operating'))).toBe(0n);
  });
});

describe('paid with a difference', () => {
  const correction = (id: string, direction: 'credit' | 'debit', amount: bigint) =>
    corrections.entries.push({
      id,
      reference: `LITHIC-SETTLEMENT-${day()}`,
      direction,
      amount,
      bookedAt: new Date(),
    });

  function accept(settlementId: string, amount: string, reason = 'below what asking costs') {
    return inOrganization(knex, world.organizationId, (trx) =>
      acceptDifference(
        trx,
        { clock: systemClock },
        { organizationId: world.organizationId, settlementId, amount, reason, acceptedBy: null },
      ),
    );
  }

  const again = (settlementId: string) =>
    inOrganization(knex, world.organizationId, (trx) =>
      compareAgain(trx, { organizationId: world.organizationId, settlementId }),
    );

  it('is reconciled when the bank gives back what it took too much, booked as often as the bank does', async () => {
    const id = await paidOtherwise('51.00');
    expect(await drive(id)).toMatchObject({ state: 'paid' });
    const { updated_at: since, compared_at: firstLook } = await row(id);
    correction('half', 'credit', 40n);
    for (let looks = 0; looks < 2; looks += 1) expect(await drive(id)).toMatchObject({ done: false, state: 'paid' });
    expect(await row(id)).toMatchObject({ paid_amount: 5_060n, bank_amount: 5_060n });
    expect(await balance(bankSettlementOf('operating'))).toBe(-5_060n);
    expect((await row(id)).compared_at > firstLook && (await row(id)).updated_at > since).toBe(true);
    correction('rest', 'credit', 60n);
    expect(await again(id)).toMatchObject({ ok: true });
    expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
    expect(await row(id)).toMatchObject({ paid_amount: 5_000n, difference: null, accepted_at: null });
    expect(await balance(bankSettlementOf('operating'))).toBe(-5_000n);
    expect(await balance(networkPayableOf(world.programId))).toBe(0n);
    expect((await events()).at(-1)).toBe('settlement.reconciled');
    expect(await again(id)).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
  });

  it('a look that read the bank before the last recorded one changes nothing, and what the bank corrects then is booked', async () => {
    const id = await paidOtherwise('51.00');
    await drive(id);
    const recordOlder = await lookAndHold(id);
    correction('half', 'credit', 40n);
    const newer = await drive(id);
    expect(newer).toMatchObject({ state: 'paid', reason: expect.stringContaining('the bank moved 50.60') });
    const [stands, toldOf] = [await row(id), await events()];

    expect(await recordOlder()).toEqual(newer);
    expect(await row(id)).toEqual(stands);
    expect(await events()).toEqual(toldOf);
    expect(await drive(id)).toEqual(newer);
    expect(await balance(bankSettlementOf('operating'))).toBe(-5_060n);

    correction('rest', 'credit', 60n);
    expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
    expect(await balance(bankSettlementOf('operating'))).toBe(-5_000n);
    expect(await balance(networkPayableOf(world.programId))).toBe(0n);
  });

  it('of two first looks the one that read less changes nothing after the other', async () => {
    const id = await paidOtherwise('51.00');
    expect(await step(id)).toMatchObject({ state: 'closed', waitMs: 0 });
    const recordOlder = await lookAndHold(id);
    correction('half', 'credit', 40n);
    const newer = await drive(id);
    expect(await recordOlder()).toEqual(newer);
    expect(await row(id)).toMatchObject({ paid_amount: 5_060n, bank_amount: 5_060n, bank_entries: 2 });
    expect(await balance(bankSettlementOf('operating'))).toBe(-5_060n);
  });

  it('a look at an older report of the network changes nothing after one at a newer, whatever it read of the bank', async () => {
    const id = await paidOtherwise('51.00');
    await drive(id);
    const recordOlder = await lookAndHold(id);
    const recordOlderWithMore = await lookAndHold(id, 'report');
    namesMore(100n);
    const newer = await drive(id);
    expect(newer).toMatchObject({ state: 'paid', reason: expect.stringContaining('network 51.00, ledger 50.00') });
    const [stands, toldOf] = [await row(id), await events()];

    expect(await recordOlder()).toEqual(newer);
    correction('half', 'credit', 40n);
    expect(await recordOlderWithMore()).toEqual(newer);
    expect(await row(id)).toEqual(stands);
    expect(await events()).toEqual(toldOf);
    expect(await balance(bankSettlementOf('operating'))).toBe(-5_100n);

    expect(await drive(id)).toMatchObject({ reason: expect.stringContaining('the bank moved 50.60') });
    expect(await row(id)).toMatchObject({ network_amount: 5_100n, bank_entries: 2 });
    expect(await balance(bankSettlementOf('operating'))).toBe(-5_060n);
  });

  it('a look at the same report counts, also where it read it before the last one was recorded', async () => {
    const id = await paidOtherwise('51.00');
    await drive(id);
    const late = namesMore(100n);
    const recordSame = await lookAndHold(id);
    expect(await drive(id)).toMatchObject({ reason: expect.stringContaining('ledger 50.00') });
    await record(late);
    expect(await recordSame()).toEqual({ done: true, state: 'reconciled' });
    expect(await row(id)).toMatchObject({ network_amount: 5_100n, ledger_amount: 5_100n, paid_amount: 5_100n });
  });

  it('looked at again without news stays as old as it is', async () => {
    const id = await paidOtherwise('51.00');
    await drive(id);
    const before = await row(id);
    await drive(id);
    const after = await row(id);
    expect(after.compared_at > before.compared_at).toBe(true);
    expect({ ...after, compared_at: null }).toEqual({ ...before, compared_at: null });
  });

  it('is reconciled when the network names what it was paid for, and we have recorded that', async () => {
    const id = await paidOtherwise('51.00');
    await drive(id);
    const late = namesMore(100n);
    expect(await drive(id)).toMatchObject({ state: 'paid', reason: expect.stringContaining('ledger 50.00') });
    await record(late);
    expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
    expect(await row(id)).toMatchObject({ network_amount: 5_100n, ledger_amount: 5_100n, paid_amount: 5_100n });
    expect(await balance(networkPayableOf(world.programId))).toBe(0n);
    expect(await states()).toEqual(['settled', 'settled']);
  });

  it.each([
    ['borne by the organization where the bank moved more', '51.00', '1.00', expenseOf('settlement', 'USD'), 100n],
    ['kept where it moved less', '48.75', '-1.25', revenueOf('settlement', 'USD'), 125n],
  ])('is %s, once an operator accepts it', async (_how, moved, difference, ref, booked) => {
    const id = await paidOtherwise(moved);
    expect(await accept(id, difference)).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
    await drive(id);
    expect(await accept(id, '9.99')).toMatchObject({
      ok: false,
      error: { code: 'state_conflict', pointer: '/amount', detail: expect.stringContaining(difference) },
    });
    expect(await balance(ref)).toBe(0n);

    const accepted = await accept(id, difference);
    expect(accepted).toMatchObject({
      ok: true,
      value: { state: 'reconciled', accepted_reason: 'below what asking costs' },
    });
    expect(await balance(ref)).toBe(booked);
    expect(await balance(networkPayableOf(world.programId))).toBe(0n);
    expect((await rows('events')).at(-1)).toMatchObject({
      type: 'settlement.difference_accepted',
      data: {
        difference_amount: { amount: difference },
        accepted_reason: 'below what asking costs',
        state: 'reconciled',
      },
    });

    const told = await events();
    expect(await accept(id, difference)).toEqual(accepted);
    expect(await accept(id, difference, 'for another reason')).toMatchObject({ ok: false });
    expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
    expect(await balance(ref)).toBe(booked);
    expect(await events()).toEqual(told);
  });

  describe('whose books an earlier fault left otherwise than the settlement says', () => {
    const correct = (settlementId: string, amount: string) =>
      inOrganization(knex, world.organizationId, (trx) =>
        correctBooks(
          trx,
          { clock: systemClock },
          { organizationId: world.organizationId, settlementId, amount, reason: 'booked back', correctedBy: null },
        ),
      );
    const stuck = () =>
      inOrganization(knex, world.organizationId, (trx) =>
        listStuckWork(trx, { organizationId: world.organizationId, limit: 10 }),
      );

    /** Books for it what the bank has not moved, as a look did that had read less of the statement. */
    function misbook(settlementId: string, netAmount: bigint, correction: number): Promise<unknown> {
      const { organizationId, programId } = world;
      const draft = settleNetwork({ settlementId, programId, netAmount, effectiveAt: new Date(), correction });
      return inOrganization(knex, organizationId, (trx) => postTransactions(trx, organizationId, [draft]));
    }

    /**
     * What a look at one entry of the bank did when it was recorded after one at two, before that was told apart: 0.40 that
     * the bank had given back are booked as taken again. `then`: what the settlement says of it.
     */
    async function bookedBack(then: string): Promise<string> {
      const id = await paidOtherwise('51.00');
      await drive(id);
      correction('half', 'credit', 40n);
      await drive(id);
      await misbook(id, 40n, 1);
      await superuser.query(`UPDATE settlements SET bank_entries = NULL, ${then} WHERE id = $1`, [id]);
      expect(await balance(bankSettlementOf('operating'))).toBe(-5_100n);
      return id;
    }

    it.each([
      [
        'what is booked, and what is to be booked is under a key that is taken',
        'paid_amount = 5100, bank_amount = 5100',
      ],
      ['that it is booked', 'paid_amount = 5060, bank_amount = 5060'],
    ])('waits for an operator, whose word has it booked once: it says %s', async (_what, then) => {
      const id = await bookedBack(then);
      const text = 'the bank moved 50.60 USD and the books have 51.00 of it: -0.40 is to be booked by correct-books';
      for (let looks = 0; looks < 2; looks += 1) {
        expect(await drive(id)).toEqual({ done: false, state: 'paid', waitMs: null, reason: text });
      }
      expect(await balance(bankSettlementOf('operating'))).toBe(-5_100n);
      expect(await row(id)).toMatchObject({ paid_amount: 5_060n, books_difference: -40n });
      expect(await stuck()).toMatchObject([{ kind: 'settlement', id, reason: text }]);
      expect((await events()).slice(-2)).toEqual(['settlement.difference_found', 'settlement.difference_found']);
      // What is not booked is not accepted either.
      expect(await accept(id, '0.60')).toMatchObject({ ok: false, error: { code: 'state_conflict' } });

      expect(await correct(id, '-0.41')).toMatchObject({
        ok: false,
        error: { code: 'state_conflict', pointer: '/amount', detail: expect.stringContaining('-0.40') },
      });
      // Said by two at once, and once more afterwards.
      const said = await Promise.all([correct(id, '-0.40'), correct(id, '-0.40')]);
      expect(said.map(({ ok }) => ok).sort()).toEqual([false, true]);
      expect(said.find(({ ok }) => ok)).toMatchObject({ value: { state: 'paid', books_difference: null } });
      expect(await correct(id, '-0.40')).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
      expect(await balance(bankSettlementOf('operating'))).toBe(-5_060n);
      expect((await rows('events')).at(-1)).toMatchObject({
        type: 'settlement.books_corrected',
        data: { corrected_amount: { amount: '-0.40' }, corrected_reason: 'booked back', corrected_by: null },
      });

      expect(await drive(id)).toMatchObject({ state: 'paid', reason: expect.stringContaining('the bank moved 50.60') });
      correction('rest', 'credit', 60n);
      expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
      expect(await balance(bankSettlementOf('operating'))).toBe(-5_000n);
      expect(await balance(networkPayableOf(world.programId))).toBe(0n);
    });

    it('is not booked by itself, also where the bank moves more, and is no exception where that makes them agree', async () => {
      const id = await bookedBack('paid_amount = 5060, bank_amount = 5060');
      expect(await drive(id)).toMatchObject({ reason: expect.stringContaining('-0.40 is to be booked') });
      correction('more', 'debit', 39n);
      expect(await drive(id)).toMatchObject({ reason: expect.stringContaining('-0.01 is to be booked') });
      expect(await balance(bankSettlementOf('operating'))).toBe(-5_100n);
      correction('last', 'debit', 1n);
      expect(await drive(id)).toMatchObject({ reason: expect.stringContaining('the bank moved 51.00') });
      expect(await row(id)).toMatchObject({ paid_amount: 5_100n, books_difference: null });
      expect(await balance(bankSettlementOf('operating'))).toBe(-5_100n);
      expect(await accept(id, '1.00')).toMatchObject({ ok: true });
    });

    it('is never ended by agreeing with the network alone', async () => {
      const id = await bookedBack('paid_amount = 5060, bank_amount = 5060');
      correction('rest', 'credit', 60n);
      expect(await drive(id)).toMatchObject({
        state: 'paid',
        reason: expect.stringContaining('-1.00 is to be booked'),
      });
      expect(await correct(id, '-1.00')).toMatchObject({ ok: true });
      expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
      expect(await balance(bankSettlementOf('operating'))).toBe(-5_000n);
    });

    it('that was paid of an amount unknown takes it from the books', async () => {
      const id = await paidOtherwise('51.00');
      await drive(id);
      const unknown =
        'UPDATE settlements SET bank_entries = NULL, paid_amount = NULL, bank_amount = NULL WHERE id = $1';
      await superuser.query(unknown, [id]);
      expect(await drive(id)).toMatchObject({ reason: expect.stringContaining('the bank moved 51.00') });
      expect(await row(id)).toMatchObject({ paid_amount: 5_100n, bank_amount: 5_100n, books_difference: null });

      await superuser.query(unknown, [id]);
      correction('half', 'credit', 40n);
      expect(await drive(id)).toMatchObject({ reason: expect.stringContaining('-0.40 is to be booked') });
      expect(await balance(bankSettlementOf('operating'))).toBe(-5_100n);
    });

    describe('after it ended', () => {
      const sweep = (after = 0) =>
        sweepEndedSettlements({ knex, workerKnex, clock: { now: () => new Date(Date.now() + after) } });

      it('is found by the sweep, shown as stuck and corrected once', async () => {
        await spend(5_000n);
        const { id } = await close();
        await settleAtNetwork();
        await drive(id);
        const ended = await row(id);
        expect(await sweep()).toBe(0);
        expect(await row(id)).toEqual(ended);

        await misbook(id, 40n, 1);
        const text = 'the bank moved 50.00 USD and the books have 50.40 of it: -0.40 is to be booked by correct-books';
        // By two workers at once, and once more afterwards.
        await Promise.all([sweep(), sweep()]);
        expect(await sweep()).toBe(0);
        expect(await row(id)).toMatchObject({ state: 'reconciled', difference: text, books_difference: -40n });
        expect(await stuck()).toMatchObject([{ kind: 'settlement', id, state: 'reconciled', reason: text }]);
        const toldOf = ['settlement.closed', 'settlement.reconciled', 'settlement.difference_found'];
        expect(await events()).toEqual(toldOf);
        // A look, which a retry brings about, leaves it over and booked as it is.
        expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
        expect(await events()).toEqual(toldOf);
        expect(await balance(bankSettlementOf('operating'))).toBe(-5_040n);

        expect(await correct(id, '0.40')).toMatchObject({ ok: false, error: { pointer: '/amount' } });
        const said = await Promise.all([correct(id, '-0.40'), correct(id, '-0.40')]);
        expect(said.map(({ ok }) => ok).sort()).toEqual([false, true]);
        expect(await correct(id, '-0.40')).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
        expect(await balance(bankSettlementOf('operating'))).toBe(-5_000n);
        expect(await balance(networkPayableOf(world.programId))).toBe(0n);
        expect(await row(id)).toMatchObject({ state: 'reconciled', difference: null, books_difference: null });
        expect(await stuck()).toEqual([]);
        expect(await events()).toEqual([...toldOf, 'settlement.books_corrected']);
        expect([await sweep(), await drive(id)]).toEqual([0, { done: true, state: 'reconciled' }]);

        // Damaged again, by the same amount: the correction of before is not taken for this one's.
        await misbook(id, 40n, 2);
        expect(await sweep()).toBe(1);
        expect(await correct(id, '-0.40')).toMatchObject({ ok: true });
        expect(await balance(bankSettlementOf('operating'))).toBe(-5_000n);
      });

      it('shows what is lacking now, also where a look finds it, and nothing where it is made good otherwise', async () => {
        await spend(5_000n);
        const { id } = await close();
        await settleAtNetwork();
        await drive(id);
        await misbook(id, -1n, 1);
        expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
        expect(await row(id)).toMatchObject({ books_difference: 1n });
        await misbook(id, -2n, 2);
        expect(await sweep()).toBe(1);
        expect(await row(id)).toMatchObject({ books_difference: 3n, difference: expect.stringContaining('0.03 is') });
        await misbook(id, 3n, 3);
        expect(await sweep()).toBe(1);
        expect(await row(id)).toMatchObject({ books_difference: null, difference: null });
        expect(await stuck()).toEqual([]);
      });

      it('keeps the difference that was accepted', async () => {
        const id = await paidOtherwise('51.00');
        await drive(id);
        expect(await accept(id, '1.00')).toMatchObject({ ok: true });
        const { difference } = await row(id);
        expect([await sweep(), await row(id)]).toMatchObject([0, { books_difference: null }]);
        await misbook(id, 40n, 1);
        expect(await sweep()).toBe(1);
        expect(await row(id)).toMatchObject({ difference: expect.stringContaining('-0.40 is to be booked') });
        expect(await correct(id, '-0.40')).toMatchObject({ ok: true });
        expect(await row(id)).toMatchObject({ state: 'reconciled', difference, books_difference: null });
        expect(await balance(expenseOf('settlement', 'USD'))).toBe(100n);
        expect(await balance(networkPayableOf(world.programId))).toBe(0n);
      });

      it('is looked for until it has been over for 90 days', async () => {
        await spend(5_000n);
        const { id } = await close();
        await settleAtNetwork();
        await drive(id);
        await misbook(id, 40n, 1);
        expect(await sweep(90 * DAY_MS + 60_000)).toBe(0);
        expect(await sweep(90 * DAY_MS - 60_000)).toBe(1);
      });
    });

    it('is nobody else’s to correct', async () => {
      expect(await correct(randomUUID(), '1.00')).toMatchObject({ ok: false, error: { code: 'not_found' } });
      const id = await paidOtherwise('51.00');
      await drive(id);
      expect(await correct(id, '1.00')).toMatchObject({ ok: false, error: { code: 'state_conflict' } });
    });
  });

  it('nobody accepts what is not theirs, or is not there', async () => {
    expect(await accept(randomUUID(), '1.00')).toMatchObject({ ok: false, error: { code: 'not_found' } });
    expect(await again(randomUUID())).toMatchObject({ ok: false, error: { code: 'not_found' } });
  });
});

it('takes its own part of a report that is about another program too', async () => {
  const other = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 1_000_000_000n } });
  await spend(5_000n);
  await spend(800n, await issueAtNetwork(other));
  await settleAtNetwork();
  const { id } = await close();
  const { id: otherId } = await close(other);
  expect(await drive(id)).toEqual({ done: true, state: 'reconciled' });
  expect(await drive(otherId, other)).toEqual({ done: true, state: 'reconciled' });
  expect(await balance(bankSettlementOf('operating'))).toBe(-5_000n);
  expect(await balance(bankSettlementOf('operating'), other)).toBe(-800n);
});

it('is refused for a program of nobody, a date that does not exist and a day to come', async () => {
  const { organizationId, programId } = world;
  const ask = (change: { programId?: string; date?: string }) =>
    inOrganization(knex, organizationId, (trx) =>
      closeSettlement(trx, { clock: systemClock }, { organizationId, programId, date: day(), ...change }),
    );
  expect(await ask({ programId: randomUUID() })).toMatchObject({ ok: false, error: { code: 'not_found' } });
  expect(await ask({ date: '2026-02-30' })).toMatchObject({ ok: false, error: { pointer: '/date' } });
  expect(await ask({ date: day(1) })).toMatchObject({ ok: false, error: { pointer: '/date' } });
  expect(await rows('settlements')).toEqual([]);
});
