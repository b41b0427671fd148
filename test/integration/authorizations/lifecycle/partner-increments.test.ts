import request from 'supertest';
import { replayDecisions } from '../../../../services/authorizations/replay-decisions';
import { createKnex } from '../../../../services/database/knex';
import type { PartnerDecisionPolicy } from '../../../../services/programs/rules/program-policy';
import { required } from '../../../../services/shared/assert';
import { formatId } from '../../../../services/shared/ids';
import { type Partner, startPartner } from '../../../../simulators/partner/app';
import { brokenBooks } from '../../../builders/books';
import { OPERATOR_KEY } from '../../http/api-under-test';
import { type Cardholder, type Lifecycle, startLifecycle, TAKES_PARTIAL, USDC } from './network';

let network: Lifecycle;
const listening: Partner[] = [];

beforeAll(async () => {
  network = await startLifecycle();
});

afterAll(async () => {
  await network.end();
  await Promise.all(listening.map((partner) => partner.close()));
});

interface Asked {
  readonly id: string;
  readonly authorization: Readonly<Record<string, unknown>>;
  readonly escudo: Readonly<Record<string, unknown>>;
}

/** A cardholder whose fintech is asked, and has agreed to a purchase of 100.00. */
async function asked(decision: Partial<PartnerDecisionPolicy> = {}, policy: object = {}) {
  const holder = await network.cardholder({
    policy: {
      ...policy,
      partner_decision: {
        enabled: true,
        timeout_ms: 1_000,
        stand_in: { default: 'decline' },
        breaker: { failures: 1_000, open_seconds: 3_600 },
        ...decision,
      },
    },
  });
  const partner = await startPartner({ port: 0, dataFile: null });
  listening.push(partner);
  const { url } = network.tested;
  const key = await request(url)
    .post(`/v1/organizations/${formatId('organization', holder.organizationId)}/api-keys`)
    .set('Authorization', `Bearer ${OPERATOR_KEY}`)
    .set('Idempotency-Key', `key-${holder.organizationId}`)
    .send({ label: 'Fintech' })
    .expect(201);
  const secret: string = key.body.secret;
  const set = await request(url)
    .put(`/v1/programs/${formatId('program', holder.programId)}/partner-endpoint`)
    .set('Authorization', `Bearer ${secret}`)
    .set('Idempotency-Key', 'endpoint')
    .send({ url: `${partner.url}/decisions` })
    .expect(200);
  partner.learnSecret(set.body.secret);
  const purchase = holder.purchase(TAKES_PARTIAL);
  expect(await purchase.ask(10_000)).toEqual({ result: 'APPROVED' });
  const questions = () => partner.questions().map((question) => question.body as Asked);
  return { holder, partner, purchase, questions, secret };
}

async function verdicts(holder: Cardholder): Promise<readonly unknown[]> {
  return (await holder.rows('authorization_amendments')).map(
    (row) => JSON.parse(String(row.receipt)).request.partner ?? null,
  );
}

async function untilAsked(partner: Partner, times: number): Promise<void> {
  while (partner.questions().length < times) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('the fintech is asked about more, with what the purchase came to and would come to', async () => {
  const { holder, purchase, questions, secret } = await asked();
  expect(await purchase.ask(5_000)).toEqual({ result: 'APPROVED' });
  const [first, more] = questions();
  expect(first?.authorization).toMatchObject({ kind: 'authorization', increment: null });
  const usd = (amount: string) => ({ amount, asset: 'USD' });
  expect(more).toMatchObject({
    authorization: {
      id: first?.authorization.id,
      kind: 'incremental_authorization',
      requested: usd('50.00'),
      increment: { previous_total: usd('100.00'), new_total: usd('150.00'), ended: false },
    },
    escudo: { approvable: usd('50.00'), flags: ['increment'] },
  });
  expect(more?.id).not.toBe(first?.id);
  const verdict = {
    decision: 'approve',
    source: 'partner',
    cause: 'answered',
    askedAmount: '5000',
    requestId: more?.id,
  };
  expect(await verdicts(holder)).toMatchObject([verdict]);
  const { rows } = await network.tested.sql.query(
    "SELECT data->'partner_decision' AS said FROM events WHERE organization_id = $1 AND type = 'authorization.incremented'",
    [holder.organizationId],
  );
  expect(rows).toMatchObject([{ said: { decision: 'approve', source: 'partner', request_id: more?.id } }]);
  const { body } = await request(network.tested.url)
    .get(`/v1/authorizations/${first?.authorization.id}/amendments`)
    .set('Authorization', `Bearer ${secret}`)
    .expect(200);
  expect(body.data).toMatchObject([{ partner_decision: { decision: 'approve', request_id: more?.id } }]);
  expect(await holder.books(purchase)).toMatchObject({ approved: 15_000n, held: 15_000n, counted: ['15000', 1] });
});

test('a no declines what comes on top and leaves what was approved before; the receipt says who said it', async () => {
  const { holder, partner, purchase } = await asked();
  partner.setRules({ decline_above: '120.00' });
  expect(await purchase.ask(5_000)).toEqual({ result: 'DO_NOT_HONOR' });
  expect(await purchase.ask(2_000)).toEqual({ result: 'APPROVED' });
  expect(await holder.books(purchase)).toMatchObject({ approved: 12_000n, held: 12_000n });
  const rows = await holder.rows('authorization_amendments');
  expect(rows).toMatchObject([{ outcome: 'declined', decline_reason: 'partner_declined' }, { outcome: 'approved' }]);
  expect(await verdicts(holder)).toMatchObject([
    { decision: 'decline', reason: 'above 120.00' },
    { decision: 'approve' },
  ]);
  const readonly = createKnex(network.tested.database.urls.escudo_readonly, 1, 'partner-increments-test');
  const range = { from: new Date(0), to: new Date(Date.now() + 60_000), organizationId: holder.organizationId };
  for await (const decision of replayDecisions(readonly, { kind: 'range', ...range })) {
    expect(decision).toMatchObject({ answer: 'same', seal: 'verified' });
  }
  await readonly.destroy();
});

test('it is not asked about what we decline, what holds nothing more, and what the network tells', async () => {
  const { holder, partner, purchase } = await asked();
  const before = partner.questions().length;
  expect(await purchase.ask(0)).toEqual({ result: 'APPROVED' });
  await network.tested.sql.query("UPDATE cards SET state = 'paused' WHERE id = $1", [holder.cardId]);
  expect(await purchase.ask(60_000)).toEqual({ result: 'CARD_PAUSED' });
  await purchase.tell('AUTHORIZATION_ADVICE', 14_000, { polarity: 'DEBIT', holdLeft: 14_000 });
  expect(partner.questions()).toHaveLength(before);
  expect(await verdicts(holder)).toEqual([null, null, null]);
});

test.each([
  ['nothing comes in time', 'silent', 'timeout'],
  ['the line breaks', 'cut', 'error'],
  ['it fails', 'fail', 'error'],
  ['it says what is no answer', 'garbage', 'invalid_answer'],
] as const)('where %s, the stand-in rules decide by what the whole purchase comes to', async (_, mode, cause) => {
  const { holder, partner, purchase } = await asked({
    timeout_ms: 300,
    stand_in: { default: 'decline', approve_up_to: '12000' },
  });
  partner.behave({ mode, times: null, slow_ms: 0 });
  expect(await purchase.ask(2_000)).toEqual({ result: 'APPROVED' });
  expect(await purchase.ask(1_000)).toEqual({ result: 'DO_NOT_HONOR' });
  expect(await verdicts(holder)).toMatchObject([
    { decision: 'approve', source: 'stand_in', cause },
    { decision: 'decline', source: 'stand_in', cause },
  ]);
  expect(await holder.books(purchase)).toMatchObject({ approved: 12_000n, held: 12_000n });
});

test('after so many failures it is not asked about more either', async () => {
  const { holder, partner, purchase } = await asked({
    timeout_ms: 300,
    breaker: { failures: 2, open_seconds: 3_600 },
    stand_in: { default: 'approve' },
  });
  partner.behave({ mode: 'fail', times: null, slow_ms: 0 });
  for (let round = 0; round < 3; round += 1) expect(await purchase.ask(1_000)).toEqual({ result: 'APPROVED' });
  expect(await verdicts(holder)).toMatchObject([{ cause: 'error' }, { cause: 'error' }, { cause: 'breaker_open' }]);
  expect(partner.questions()).toHaveLength(3);
});

describe('while it thinks', () => {
  test('nothing is locked: the account spends elsewhere, and what is left is what counts', async () => {
    const { holder, partner, purchase, questions } = await asked({}, { partial_approvals: true });
    partner.behave({ mode: 'held', times: 1, slow_ms: 0 });
    const answer = purchase.ask(35_000);
    await untilAsked(partner, 2);
    expect(questions()[1]?.escudo).toMatchObject({ approvable: { amount: '350.00' } });
    expect(await holder.purchase().ask(30_000)).toEqual({ result: 'APPROVED' });
    partner.release('normal');
    expect(await answer).toEqual({ result: 'APPROVED', approved_amount: 10_000 });
    expect(await holder.books(purchase)).toMatchObject({ approved: 20_000n, held: 20_000n, free: 0n });
    expect(await brokenBooks(network.tested.sql, holder.organizationId)).toEqual([]);
  });

  test('funds that arrive do not make its yes one to more than it was asked about', async () => {
    const { holder, partner, purchase, questions } = await asked({}, { partial_approvals: true });
    const other = holder.purchase();
    expect(await other.ask(30_000)).toEqual({ result: 'APPROVED' });
    partner.behave({ mode: 'held', times: 1, slow_ms: 0 });
    const answer = purchase.ask(20_000);
    await untilAsked(partner, 3);
    expect(questions()[2]?.escudo).toMatchObject({
      approvable: { amount: '100.00' },
      flags: ['increment', 'partial_approval'],
    });
    await other.tell('AUTHORIZATION_REVERSAL', 30_000);
    partner.release('normal');
    expect(await answer).toEqual({ result: 'APPROVED', approved_amount: 10_000 });
    expect(await holder.books(purchase)).toMatchObject({ held: 20_000n, free: 300n * USDC });
  });

  test('the purchase is taken back: nothing is added to it, whatever it said', async () => {
    const { holder, partner, purchase } = await asked();
    partner.behave({ mode: 'held', times: 1, slow_ms: 0 });
    const answer = purchase.ask(5_000);
    await untilAsked(partner, 2);
    await purchase.tell('AUTHORIZATION_REVERSAL', 10_000);
    partner.release('normal');
    expect(await answer).toEqual({ result: 'DO_NOT_HONOR' });
    expect(await holder.books(purchase)).toMatchObject({ state: 'reversed', held: 0n, counted: ['0', 0] });
  });

  test('a repetition shares the question and its answer', async () => {
    const { holder, partner, purchase } = await asked();
    partner.behave({ mode: 'held', times: 1, slow_ms: 0 });
    const answers = [purchase.ask(5_000)];
    await untilAsked(partner, 2);
    const body = required(purchase.lastBody, 'body');
    answers.push(purchase.ask(0, { body }), purchase.ask(0, { body }));
    partner.release('normal');
    expect(await Promise.all(answers)).toEqual(Array(3).fill({ result: 'APPROVED' }));
    expect(await purchase.ask(0, { body })).toEqual({ result: 'APPROVED' });
    expect(partner.questions()).toHaveLength(2);
    expect(await holder.books(purchase)).toMatchObject({ approved: 15_000n, held: 15_000n });
  });
});
