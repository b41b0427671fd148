import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KycApplicantInput, KycDocument } from '../../services/providers/kyc/port';
import { createSumsub } from '../../services/providers/kyc/sumsub';
import { toVerdict } from '../../services/providers/kyc/sumsub/mapping';
import { type KycVendorConfig, startKycVendor } from '../../simulators/kyc-vendor/app';
import { control, eventually, openWebhookSink, type ReceivedWebhook, type WebhookSink } from './webhook-sink';

const LEVEL = 'basic-kyc-level';
const credentials = { appToken: 'sbx:token', secretKey: 'request-secret', webhookSecret: 'webhook-secret' };

const passport: KycDocument = {
  type: 'passport',
  country: 'DEU',
  fileName: 'passport.png',
  content: Buffer.from('a picture of a passport'),
  contentType: 'image/png',
};

function applicant(externalUserId: string): KycApplicantInput {
  return {
    externalUserId,
    levelName: LEVEL,
    firstName: 'Ada',
    lastName: 'Lovelace',
    dateOfBirth: '1990-12-10',
    country: 'DEU',
    nationality: 'DEU',
    email: 'ada@example.com',
  };
}

let sink: WebhookSink;
let vendor: Awaited<ReturnType<typeof startKycVendor>>;
let folder: string;
let simulatorConfig: KycVendorConfig;
let count = 0;

beforeAll(async () => {
  sink = await openWebhookSink();
  folder = mkdtempSync(join(tmpdir(), 'escudo-kyc-'));
  simulatorConfig = {
    port: 0,
    dataFile: join(folder, 'state.json'),
    ...credentials,
    webhookUrl: sink.url,
    levelNames: [LEVEL],
    decisionDelayMs: 30,
    retryDelaysMs: [20],
  };
  vendor = await startKycVendor(simulatorConfig);
});

afterAll(async () => {
  await vendor.close();
  await sink.close();
  rmSync(folder, { recursive: true, force: true });
});

afterEach(async () => {
  vendor.faults.clear();
  sink.received.length = 0;
  sink.answers.length = 0;
});

function sumsub(overrides: Partial<Parameters<typeof createSumsub>[0]> = {}) {
  return createSumsub({ baseUrl: vendor.url, ...credentials, timeoutMs: 2_000, ...overrides });
}

async function newApplicant(adapter = sumsub()): Promise<{ id: string; externalUserId: string }> {
  count += 1;
  const externalUserId = `cardholder-${count}`;
  const created = await adapter.vendor.createApplicant(applicant(externalUserId));
  if (created.kind !== 'ok') throw new Error(`not created: ${JSON.stringify(created)}`);
  return { id: created.value.applicantId, externalUserId };
}

function webhook(type: string, applicantId: string): ReceivedWebhook | undefined {
  return sink.received.find((one) => {
    const body = JSON.parse(one.rawBody.toString('utf8')) as { type: string; applicantId: string };
    return body.type === type && body.applicantId === applicantId;
  });
}

/** The simulator's own plan: the applicant's check stays open until a review ends it, however slow the machine is. */
async function keepUndecided(externalUserId: string): Promise<void> {
  const planned = await fetch(`${vendor.url}/sim/outcomes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ externalUserId, answers: [{ reviewAnswer: 'HOLD' }] }),
  });
  expect(planned.ok).toBe(true);
}

async function verdictOf(id: string) {
  return eventually(`verdict on ${id}`, async () => {
    const outcome = await sumsub().vendor.verdict(id);
    return outcome.kind === 'ok' && outcome.value.kind !== 'in_progress' ? outcome.value : undefined;
  });
}

describe('an applicant', () => {
  test('passes: documents, check, signed webhook, verdict', async () => {
    const adapter = sumsub();
    const { id, externalUserId } = await newApplicant(adapter);
    expect(await adapter.vendor.verdict(id)).toEqual({ kind: 'ok', value: { kind: 'in_progress', status: 'init' } });

    const added = await adapter.vendor.addDocument(id, passport);
    expect(added).toEqual({ kind: 'ok', value: { documentId: expect.stringMatching(/^\d+$/) } });
    expect(await adapter.vendor.requestCheck(id)).toEqual({ kind: 'ok', value: null });

    const received = await eventually('applicantReviewed', () => webhook('applicantReviewed', id));
    expect(adapter.ingress.verify(received.rawBody, received.headers, new Date())).toEqual({ kind: 'valid' });
    expect(adapter.ingress.toHint(received.rawBody, received.headers)).toEqual({
      kind: 'hint',
      hint: {
        messageId: expect.stringMatching(/^applicantReviewed:[0-9a-f]+$/),
        applicantId: id,
        externalUserId,
        type: 'applicantReviewed',
      },
    });
    expect(await adapter.vendor.verdict(id)).toEqual({ kind: 'ok', value: { kind: 'approved' } });
  });

  test('created twice under one external user id is one applicant', async () => {
    const first = await newApplicant();
    const again = await sumsub().vendor.createApplicant(applicant(first.externalUserId));
    expect(again).toEqual({ kind: 'ok', value: { applicantId: first.id } });
  });

  test('of an unknown level is refused', async () => {
    const refused = await sumsub().vendor.createApplicant({
      ...applicant('other-level'),
      levelName: 'no & such level',
    });
    expect(refused).toEqual({ kind: 'rejected', code: '404', detail: expect.stringContaining('no & such level') });
  });

  test('without documents can not be checked, and says what is missing', async () => {
    const { id } = await newApplicant();
    const refused = await sumsub().vendor.requestCheck(id);
    expect(refused).toEqual({ kind: 'rejected', code: '409', detail: expect.stringContaining('[IDENTITY]') });
  });

  test('whose check is asked for twice is checked once', async () => {
    const { id, externalUserId } = await newApplicant();
    await keepUndecided(externalUserId);
    await sumsub().vendor.addDocument(id, passport);
    const both = await Promise.all([sumsub().vendor.requestCheck(id), sumsub().vendor.requestCheck(id)]);
    const later = await sumsub().vendor.requestCheck(id);
    expect([...both, later].map(({ kind }) => kind)).toEqual(['ok', 'ok', 'ok']);
    expect(await sumsub().vendor.verdict(id)).toEqual({
      kind: 'ok',
      value: { kind: 'in_progress', status: 'pending' },
    });
    await sumsub().sandbox.completeReview(id, { kind: 'approved' });
    await eventually('applicantPending', () => webhook('applicantPending', id));
    await eventually('applicantReviewed', () => webhook('applicantReviewed', id));
    const pending = sink.received.filter((one) => one.rawBody.includes('applicantPending') && one.rawBody.includes(id));
    expect(pending).toHaveLength(1);
  });

  test('put on hold is in progress', async () => {
    const { id, externalUserId } = await newApplicant();
    await sumsub().sandbox.planOutcomes(externalUserId, [{ kind: 'on_hold' }]);
    await sumsub().vendor.addDocument(id, passport);
    expect(await sumsub().vendor.requestCheck(id)).toEqual({ kind: 'ok', value: null });
    await eventually('on hold', () => webhook('applicantOnHold', id));
    expect(await sumsub().vendor.verdict(id)).toEqual({
      kind: 'ok',
      value: { kind: 'in_progress', status: 'on_hold' },
    });
  });

  test('sent back once needs a new picture, then passes', async () => {
    const { id, externalUserId } = await newApplicant();
    const retry = { kind: 'resubmission_required', reasons: ['UNSATISFACTORY_PHOTOS'], message: 'Too dark.' } as const;
    await sumsub().sandbox.planOutcomes(externalUserId, [retry, { kind: 'approved' }]);
    await sumsub().vendor.addDocument(id, passport);
    await sumsub().vendor.requestCheck(id);
    expect(await verdictOf(id)).toEqual(retry);

    expect((await sumsub().vendor.requestCheck(id)).kind).toBe('rejected');
    await sumsub().vendor.addDocument(id, { ...passport, content: Buffer.from('a brighter picture') });
    expect((await sumsub().vendor.requestCheck(id)).kind).toBe('ok');
    expect(await verdictOf(id)).toEqual({ kind: 'approved' });
  });

  test('rejected for good can add nothing more', async () => {
    const { id, externalUserId } = await newApplicant();
    const final = { kind: 'rejected', reasons: ['FORGERY'], message: 'Not accepted.' } as const;
    await sumsub().sandbox.planOutcomes(externalUserId, [final]);
    await sumsub().vendor.addDocument(id, passport);
    await sumsub().vendor.requestCheck(id);
    expect(await verdictOf(id)).toEqual(final);
    const refused = await sumsub().vendor.addDocument(id, { ...passport, content: Buffer.from('another') });
    expect(refused).toMatchObject({ kind: 'rejected', code: 'applicant-with-final-reject' });
    expect((await sumsub().vendor.requestCheck(id)).kind).toBe('rejected');
  });

  test('is decided at once by the published sandbox method', async () => {
    const { id } = await newApplicant();
    const retry = { kind: 'resubmission_required', reasons: ['SCREENSHOTS'], message: 'No screenshots.' } as const;
    expect(await sumsub().sandbox.completeReview(id, retry)).toEqual({ kind: 'ok', value: null });
    expect(await verdictOf(id)).toEqual(retry);
    expect(await sumsub().sandbox.completeReview(id, { kind: 'approved' })).toEqual({ kind: 'ok', value: null });
    expect(await verdictOf(id)).toEqual({ kind: 'approved' });
  });

  test('that nobody knows is rejected as such', async () => {
    expect(await sumsub().vendor.verdict('000000000000000000000000')).toMatchObject({ kind: 'rejected', code: '404' });
  });
});

describe('requests', () => {
  test.each([
    ['another secret', { secretKey: 'another' }],
    ['another token', { appToken: 'sbx:other' }],
    ['a clock two minutes ahead', { now: () => new Date(Date.now() + 120_000) }],
    ['a clock two minutes behind', { now: () => new Date(Date.now() - 120_000) }],
  ])('signed with %s are refused and create nothing', async (_what, wrong) => {
    const refused = await sumsub(wrong).vendor.createApplicant(applicant('never-created'));
    expect(refused).toMatchObject({ kind: 'rejected', code: '401' });
    const state = (await (await fetch(`${vendor.url}/sim/state`)).json()) as { applicants: Record<string, unknown> };
    expect(JSON.stringify(state.applicants)).not.toContain('never-created');
  });

  test('that fail or are answered too late are unknown, and a repetition finds what was created', async () => {
    vendor.faults.clear();
    await control(`${vendor.url}/sim/faults`, { match: 'POST /resources/applicants', lose_reply_times: 1 });
    const lost = await sumsub().vendor.createApplicant(applicant('lost-reply'));
    expect(lost.kind).toBe('unknown');
    const found = await sumsub().vendor.createApplicant(applicant('lost-reply'));
    expect(found.kind).toBe('ok');
    const state = (await (await fetch(`${vendor.url}/sim/state`)).json()) as {
      applicants: Record<string, { externalUserId: string }>;
    };
    expect(Object.values(state.applicants).filter((one) => one.externalUserId === 'lost-reply')).toHaveLength(1);

    await control(`${vendor.url}/sim/faults`, { match: 'GET /resources/applicants/:id/status', slow_ms: 400 });
    const id = found.kind === 'ok' ? found.value.applicantId : '';
    const late = await sumsub({ timeoutMs: 100 }).vendor.verdict(id);
    expect(late).toEqual({ kind: 'unknown', detail: expect.stringContaining('no answer in time') });

    await control(`${vendor.url}/sim/faults`, { match: 'GET /resources/applicants/:id/status', fail_times: 1 });
    expect(await sumsub().vendor.verdict(id)).toEqual({ kind: 'unknown', detail: expect.stringContaining('503') });
    expect((await sumsub().vendor.verdict(id)).kind).toBe('ok');
  });

  test('a document whose answer was lost is there once', async () => {
    const { id } = await newApplicant();
    await control(`${vendor.url}/sim/faults`, {
      match: 'POST /resources/applicants/:id/info/idDoc',
      lose_reply_times: 1,
    });
    expect((await sumsub().vendor.addDocument(id, passport)).kind).toBe('unknown');
    expect((await sumsub().vendor.addDocument(id, passport)).kind).toBe('ok');
    const state = (await (await fetch(`${vendor.url}/sim/state`)).json()) as {
      applicants: Record<string, { documents: unknown[] }>;
    };
    expect(state.applicants[id]?.documents).toHaveLength(1);
  });
});

describe('webhooks', () => {
  const body = Buffer.from(JSON.stringify({ applicantId: 'a', correlationId: 'c', type: 'applicantReviewed' }));
  const digest = (secret: string, algorithm = 'sha256') => createHmac(algorithm, secret).update(body).digest('hex');
  const { ingress } = createSumsub({ baseUrl: 'http://127.0.0.1:1', ...credentials });
  const verify = (value: string | undefined, algorithm: string | undefined, raw = body) =>
    ingress.verify(raw, { 'x-payload-digest': value, 'x-payload-digest-alg': algorithm }, new Date()).kind;

  test.each([
    ['right', digest('webhook-secret'), 'HMAC_SHA256_HEX', 'valid'],
    ['right, with the longer digest', digest('webhook-secret', 'sha512'), 'HMAC_SHA512_HEX', 'valid'],
    ['over another secret', digest('request-secret'), 'HMAC_SHA256_HEX', 'invalid'],
    ['with the weak digest', digest('webhook-secret', 'sha1'), 'HMAC_SHA1_HEX', 'invalid'],
    ['without algorithm', digest('webhook-secret'), undefined, 'invalid'],
    ['cut short', digest('webhook-secret').slice(2), 'HMAC_SHA256_HEX', 'invalid'],
    ['not hex', 'zz', 'HMAC_SHA256_HEX', 'invalid'],
    ['missing', undefined, 'HMAC_SHA256_HEX', 'invalid'],
  ])('signature %s', (_what, value, algorithm, expected) => {
    expect(verify(value, algorithm)).toBe(expected);
  });

  test('one changed byte makes a signature invalid', () => {
    const changed = Buffer.from(body);
    changed[3] = (changed[3] ?? 0) ^ 1;
    expect(verify(digest('webhook-secret'), 'HMAC_SHA256_HEX', changed)).toBe('invalid');
  });

  test.each([
    ['no JSON', 'applicantReviewed'],
    ['a list', '[]'],
    ['no applicant', JSON.stringify({ correlationId: 'c', type: 't' })],
    ['no event id', JSON.stringify({ applicantId: 'a', type: 't' })],
  ])('with %s are malformed', (_what, text) => {
    expect(ingress.toHint(Buffer.from(text), {}).kind).toBe('malformed');
  });

  test('are sent again until they are taken, with one message id', async () => {
    sink.answers.push(500, 503);
    const { id } = await newApplicant();
    await eventually('third attempt', () =>
      sink.received.filter((one) => one.rawBody.includes(id)).length >= 3 ? true : undefined,
    );
    const hints = sink.received.map((one) => ingress.toHint(one.rawBody, one.headers));
    expect(new Set(hints.map((hint) => (hint.kind === 'hint' ? hint.hint.messageId : 'malformed'))).size).toBe(1);
  });

  test('repeated and badly signed ones can be told apart', async () => {
    await control(`${vendor.url}/sim/faults`, { match: 'webhook:applicantCreated', repeat: 2, bad_signature_times: 1 });
    sink.answers.push(401);
    const { id } = await newApplicant();
    await eventually('bad one, good one and two copies', () =>
      sink.received.filter((one) => one.rawBody.includes(id)).length >= 4 ? true : undefined,
    );
    const verdicts = sink.received.map((one) => ingress.verify(one.rawBody, one.headers, new Date()).kind);
    expect(verdicts).toEqual(['invalid', 'valid', 'valid', 'valid']);
  });

  test('can come in another order than they happened', async () => {
    await control(`${vendor.url}/sim/faults`, { match: 'webhook:*', reorder: 1 });
    const { id } = await newApplicant();
    await sumsub().sandbox.completeReview(id, { kind: 'approved' });
    await eventually('both', () => (sink.received.length >= 2 ? true : undefined));
    const types = sink.received.map((one) => (JSON.parse(one.rawBody.toString('utf8')) as { type: string }).type);
    expect(types).toEqual(['applicantReviewed', 'applicantCreated']);
  });
});

test('words that Sumsub does not publish stay unrecognized', () => {
  expect(toVerdict({ reviewStatus: 'frozen' })).toMatchObject({ kind: 'unrecognized' });
  expect(toVerdict({ reviewStatus: 'completed', reviewResult: { reviewAnswer: 'YELLOW' } }).kind).toBe('unrecognized');
  expect(toVerdict({ reviewStatus: 'completed', reviewResult: { reviewAnswer: 'RED' } }).kind).toBe('unrecognized');
  expect(toVerdict({ reviewStatus: 'completed', reviewResult: null }).kind).toBe('unrecognized');
  expect(toVerdict({ reviewStatus: 'pending', reviewResult: { reviewAnswer: 'GREEN' } }).kind).toBe('in_progress');
});

test('the simulator keeps its state over a restart and sends what it still owes', async () => {
  await control(`${vendor.url}/sim/faults`, { match: 'webhook:*', fail_times: 1_000 });
  const { id, externalUserId } = await newApplicant();
  await vendor.close();
  expect(webhook('applicantCreated', id)).toBeUndefined();

  vendor = await startKycVendor(simulatorConfig);
  await eventually('the webhook from before', () => webhook('applicantCreated', id));
  expect(await sumsub().vendor.createApplicant(applicant(externalUserId))).toEqual({
    kind: 'ok',
    value: { applicantId: id },
  });
});
