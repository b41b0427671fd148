import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createLithic, type Lithic } from '../../services/providers/processor/lithic';
import type {
  ProcessorCard,
  RequestStanding,
  SandboxAnswer,
  VendorOutcome,
} from '../../services/providers/processor/port';
import { type CardNetworkConfig, startCardNetwork } from '../../simulators/card-network/app';
import { approve, type IssuerServer, startIssuerServer } from './support/issuer-server';
import { type StubBank, startStubBank } from './support/stub-bank';

const API_KEY = 'lithic-test-key';
const ASA_SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;
const EVENTS_SECRET = `whsec_${Buffer.alloc(32, 4).toString('base64')}`;
const PROGRAM = '00000000-0000-0000-1000-000000000000';

function okValue<T>(outcome: VendorOutcome<T>): T {
  if (outcome.kind !== 'ok') throw new Error(`expected ok, got ${JSON.stringify(outcome)}`);
  return outcome.value;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await delay(10);
  }
}

interface Book {
  readonly transactions: readonly Record<string, unknown>[];
  readonly totals: Readonly<Record<string, number>>;
  readonly settled_days: readonly Record<string, unknown>[];
  readonly webhooks_pending: number;
}

describe('the processor adapter against the simulated card network', () => {
  let issuer: IssuerServer;
  let bank: StubBank;
  let network: Awaited<ReturnType<typeof startCardNetwork>>;
  let lithic: Lithic;
  let directory: string;
  let config: CardNetworkConfig;

  async function simulate(route: string, body: unknown, method = 'POST'): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${network.url}${route}`, {
      method,
      headers: { authorization: API_KEY, 'content-type': 'application/json' },
      ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }
  const book = async () => (await simulate('/sim/book', null, 'GET')).body as Book;
  const fault = (change: Record<string, unknown>) => simulate('/sim/faults', change);

  /** Until every webhook has been delivered, so that what did not come can be told from what is still on its way. */
  async function quiet(): Promise<void> {
    const deadline = Date.now() + 60_000;
    while ((await book()).webhooks_pending > 0) {
      if (Date.now() > deadline) throw new Error('webhooks are still waiting');
      await delay(10);
    }
  }

  async function newCard(): Promise<ProcessorCard> {
    return okValue(
      await lithic.processor.createCard({
        idempotencyKey: randomUUID(),
        kind: 'virtual',
        memo: 'test',
        programToken: PROGRAM,
      }),
    );
  }

  async function purchase(
    amount: bigint,
    change: Record<string, unknown> = {},
  ): Promise<SandboxAnswer & { readonly cardToken: string }> {
    const { cardToken } = await newCard();
    const answer = okValue(await lithic.sandbox.authorize({ cardToken, amount, ...change }));
    return { ...answer, cardToken };
  }

  const kinds = () => issuer.events.map(({ kind, amount }) => [kind, amount]);

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'card-network-'));
    issuer = await startIssuerServer(() => lithic.ingress);
    bank = await startStubBank();
    config = {
      port: 0,
      dataFile: path.join(directory, 'state.json'),
      apiKey: API_KEY,
      asaSecret: ASA_SECRET,
      eventsSecret: EVENTS_SECRET,
      asaUrl: issuer.authorizationsUrl,
      eventsUrl: issuer.eventsUrl,
      asaTimeoutMs: 400,
      bank: { baseUrl: bank.baseUrl, apiKey: 'bank-key', accountId: 'acct_settlement' },
      retryDelaysMs: [20],
    };
    network = await startCardNetwork(config);
    lithic = createLithic({
      baseUrl: network.url,
      apiKey: API_KEY,
      asaSecrets: [ASA_SECRET],
      eventSecrets: [EVENTS_SECRET],
      network: 'visa',
    });
  });

  afterAll(async () => {
    await lithic.close();
    await network.close();
    await issuer.close();
    await bank.close();
    await rm(directory, { recursive: true, force: true });
  });

  beforeEach(async () => {
    await quiet();
    await simulate('/sim/reset', {});
    issuer.reset();
    bank.orders.length = 0;
    bank.status = 201;
  });

  describe('cards', () => {
    it('are created, read and found', async () => {
      const key = 'card:0198f3c2:issue';
      const created = okValue(
        await lithic.processor.createCard({
          idempotencyKey: key,
          kind: 'virtual',
          memo: 'Spending',
          programToken: PROGRAM,
        }),
      );
      expect(created).toEqual({
        cardToken: expect.any(String),
        lastFour: expect.stringMatching(/^\d{4}$/),
        expiryMonth: expect.any(Number),
        expiryYear: expect.any(Number),
        state: 'active',
        network: 'visa',
      });
      expect(await lithic.processor.getCard(created.cardToken)).toEqual({ kind: 'ok', value: created });
      expect(await lithic.processor.findCard(key)).toEqual({ kind: 'ok', value: created });
      expect(await lithic.processor.findCard('card:another:issue')).toEqual({ kind: 'ok', value: null });
    });

    it('are created once for an idempotency key', async () => {
      const input = { idempotencyKey: randomUUID(), kind: 'virtual', memo: 'Spending', programToken: PROGRAM } as const;
      const [first, second] = [await lithic.processor.createCard(input), await lithic.processor.createCard(input)];
      expect(second).toEqual(first);
    });

    it('can be paused, resumed and closed, but not opened again', async () => {
      const { cardToken } = await newCard();
      for (const state of ['paused', 'active', 'closed'] as const) {
        expect(okValue(await lithic.processor.setCardState(cardToken, state)).state).toBe(state);
        expect(okValue(await lithic.processor.getCard(cardToken)).state).toBe(state);
      }
      expect(await lithic.processor.setCardState(cardToken, 'active')).toMatchObject({
        kind: 'rejected',
        code: 'http_400',
      });
    });

    it('that are physical wait for their activation', async () => {
      const input = { idempotencyKey: randomUUID(), kind: 'physical', memo: '', programToken: PROGRAM } as const;
      expect(okValue(await lithic.processor.createCard(input)).state).toBe('pending_activation');
    });

    it('that do not exist are a refusal', async () => {
      expect(await lithic.processor.getCard(randomUUID())).toMatchObject({ kind: 'rejected', code: 'not_found' });
    });

    it('whose creation got no answer are found afterwards, and not made twice', async () => {
      await fault({ match: 'POST /v1/cards', lose_reply_times: 1 });
      const input = { idempotencyKey: randomUUID(), kind: 'virtual', memo: 'Spending', programToken: PROGRAM } as const;
      expect((await lithic.processor.createCard(input)).kind).toBe('unknown');
      const found = okValue(await lithic.processor.findCard(input.idempotencyKey));
      expect(found).not.toBeNull();
      expect(okValue(await lithic.processor.createCard(input)).cardToken).toBe(found?.cardToken);
    });

    it('whose creation failed at the vendor are unknown, and null when looked for', async () => {
      await fault({ match: 'POST /v1/cards', fail_times: 1, fail_status: 500 });
      const input = { idempotencyKey: randomUUID(), kind: 'virtual', memo: '', programToken: PROGRAM } as const;
      expect(await lithic.processor.createCard(input)).toMatchObject({
        kind: 'unknown',
        detail: expect.stringContaining('500'),
      });
      expect(await lithic.processor.findCard(input.idempotencyKey)).toEqual({ kind: 'ok', value: null });
    });
  });

  it('a call with a wrong key is refused, and one to nobody is unknown', async () => {
    const secrets = { asaSecrets: [ASA_SECRET], eventSecrets: [EVENTS_SECRET] };
    const stranger = createLithic({ baseUrl: network.url, apiKey: 'wrong', ...secrets });
    const lost = createLithic({ baseUrl: 'http://127.0.0.1:1', apiKey: API_KEY, ...secrets });
    expect(await stranger.processor.getCard('x')).toMatchObject({ kind: 'rejected', code: 'http_401' });
    expect((await lost.processor.getCard('x')).kind).toBe('unknown');
    await Promise.all([stranger.close(), lost.close()]);
  });

  describe('a request for a decision', () => {
    it('carries the purchase', async () => {
      const merchant = { id: 'M-77', name: 'HOTEL ADLON', city: 'BERLIN', country: 'DEU', mcc: '7011' };
      const answer = await purchase(4250n, {
        merchant,
        channel: 'chip',
        merchantAmount: 3900n,
        merchantCurrency: 'EUR',
        avs: 'postal_code_match',
        fleet: { driverId: '42', vehicleId: '0007' },
      });
      expect(answer).toMatchObject({ outcome: 'approved', approvedAmount: 4250n, vendorResult: 'APPROVED' });
      expect(issuer.requests).toEqual([
        expect.objectContaining({
          vendor: 'lithic',
          processorAuthorizationId: answer.processorAuthorizationId,
          cardToken: answer.cardToken,
          kind: 'authorization',
          amount: 4250n,
          currency: 'USD',
          merchantAmount: 3900n,
          merchantCurrency: 'EUR',
          merchant,
          channel: 'chip',
          avs: 'postal_code_match',
          partialApprovalAllowed: false,
          fleet: { driverId: '42', vehicleId: '0007', odometer: null, fuelVolumeMl: null, fuelType: null },
        }),
      ]);
    });

    it('that we decline ends the purchase, and its decline names the request', async () => {
      issuer.answer = (request) =>
        approve(request, { outcome: 'declined', approvedAmount: 0n, declineReason: 'insufficient_funds' });
      expect(await purchase(4250n)).toMatchObject({
        outcome: 'declined',
        approvedAmount: 0n,
        vendorResult: 'INSUFFICIENT_FUNDS',
      });
      await until(() => issuer.events.length > 0, 'the decline is told');
      expect(kinds()).toEqual([['reversal', 4250n]]);
      expect(issuer.events[0]?.reversedMessageId).toBe(issuer.requests[0]?.messageId);
      expect((await book()).totals).toMatchObject({ hold_amount: 0, net_amount: 0 });
    });

    it('for a reason that has no published word is a decline too', async () => {
      issuer.answer = (request) =>
        approve(request, { outcome: 'declined', approvedAmount: 0n, declineReason: 'kyc_not_valid' });
      expect(await purchase(4250n)).toMatchObject({ outcome: 'declined', vendorResult: 'DECLINED' });
    });

    it('can be approved in part where the terminal takes it', async () => {
      issuer.answer = (request) => approve(request, { outcome: 'partially_approved', approvedAmount: 2500n });
      const answer = await purchase(4250n, { partialApprovalAllowed: true });
      expect(answer).toMatchObject({ outcome: 'approved', approvedAmount: 2500n });
      expect((await book()).totals.hold_amount).toBe(2500);
    });

    it('of zero, of cash, and for the balance are told apart', async () => {
      issuer.answer = (request) => approve(request, request.kind === 'balance_inquiry' ? { balance: 12_345n } : {});
      const { cardToken } = await newCard();
      await lithic.sandbox.authorize({ cardToken, amount: 0n });
      await lithic.sandbox.authorize({ cardToken, amount: 2000n, channel: 'atm', cashAmount: 2000n });
      expect(okValue(await lithic.sandbox.balanceInquiry({ cardToken })).balance).toBe(12_345n);
      expect(issuer.requests.map(({ kind, cashAmount }) => [kind, cashAmount])).toEqual([
        ['zero_amount_verification', 0n],
        ['cash_withdrawal', 2000n],
        ['balance_inquiry', 0n],
      ]);
    });

    it('for more on the same purchase has the same authorization, another message and only the increment', async () => {
      const first = await purchase(1000n);
      const more = okValue(
        await lithic.sandbox.increment({ processorAuthorizationId: first.processorAuthorizationId, amount: 500n }),
      );
      expect(more.processorAuthorizationId).toBe(first.processorAuthorizationId);
      expect(issuer.requests.map(({ amount, amountBasis }) => [amount, amountBasis])).toEqual([
        [1000n, 'delta'],
        [500n, 'delta'],
      ]);
      expect(new Set(issuer.requests.map(({ messageId }) => messageId)).size).toBe(2);
      expect((await book()).totals.hold_amount).toBe(1500);
    });

    it('comes once more after a 5xx, with the same identity', async () => {
      issuer.interfere = (attempt) => (attempt === 1 ? { status: 502, body: '' } : null);
      expect((await purchase(1000n)).outcome).toBe('approved');
      expect(issuer.asked).toHaveLength(2);
      expect(new Set(issuer.asked).size).toBe(1);
      expect(issuer.requests).toHaveLength(1);
    });

    it('that fails twice is declined, and its hold is given back', async () => {
      issuer.interfere = () => ({ status: 503, body: '' });
      expect((await purchase(1000n)).outcome).toBe('declined');
      expect(issuer.asked).toHaveLength(2);
      await until(() => issuer.events.length > 0, 'the decline is told');
      expect(kinds()).toEqual([['reversal', 1000n]]);
    });

    it('sent many times at once has one identity', async () => {
      await fault({ match: 'asa', repeat: 19 });
      expect((await purchase(1000n)).outcome).toBe('approved');
      expect(issuer.requests).toHaveLength(20);
      expect(new Set(issuer.requests.map(({ messageId, contentHash }) => `${messageId} ${contentHash}`)).size).toBe(1);
      expect((await book()).totals.hold_amount).toBe(1000);
    });

    it.each([
      ['a 4xx', { status: 400, body: '{}' }],
      ['no JSON', { status: 200, body: 'ok' }],
      ['no result', { status: 200, body: '{"token":"x"}' }],
      ['more than was asked for', { status: 200, body: '{"result":"APPROVED","approved_amount":100000}' }],
    ])('answered with %s is declined, and its hold is given back', async (_name, interference) => {
      issuer.interfere = () => interference;
      expect((await purchase(1000n)).outcome).toBe('declined');
      await until(() => issuer.events.length > 0, 'the decline is told');
      expect(kinds()).toEqual([['reversal', 1000n]]);
    });

    it('answered too late is declined, and its hold is given back', async () => {
      let answered = false;
      issuer.answer = async (request) => {
        await delay(700);
        answered = true;
        return approve(request);
      };
      expect(await purchase(1000n)).toMatchObject({ outcome: 'declined', vendorResult: 'UNKNOWN_HOST_TIMEOUT' });
      await until(() => issuer.events.length > 0, 'the decline is told');
      expect(kinds()).toEqual([['reversal', 1000n]]);
      expect(issuer.requests[0]?.processorAuthorizationId).toBe(issuer.events[0]?.processorAuthorizationId);
      expect(issuer.requests[0]?.messageId).not.toBe(issuer.events[0]?.messageId);
      expect(issuer.events[0]?.reversedMessageId).toBe(issuer.requests[0]?.messageId);
      await until(() => answered, 'the late answer has left');
    });

    it('whose answer was lost is approved where the network stands in, and told as an advice', async () => {
      await simulate('/sim/settings', { stand_in: 'approve' });
      await fault({ match: 'asa', lose_reply_times: 1 });
      const answer = await purchase(1000n);
      expect(answer).toMatchObject({ outcome: 'approved', approvedAmount: 1000n });
      expect(issuer.requests).toHaveLength(1);
      await until(() => issuer.events.length > 0, 'the advice is told');
      expect(kinds()).toEqual([['authorization_advice', 1000n]]);
    });

    it('is not sent for a paused card unless the pause has not come through', async () => {
      const { cardToken } = await newCard();
      okValue(await lithic.processor.setCardState(cardToken, 'paused'));
      expect(okValue(await lithic.sandbox.authorize({ cardToken, amount: 100n })).vendorResult).toBe('CARD_PAUSED');
      expect(issuer.requests).toEqual([]);
      await simulate('/sim/authorize', { card_token: cardToken, amount: 100, skip_card_state_check: true });
      expect(issuer.requests).toHaveLength(1);
      await quiet();
      expect(kinds()).toEqual([['reversal', 100n]]);
      expect(issuer.events[0]?.processorAuthorizationId).not.toBe(issuer.requests[0]?.processorAuthorizationId);
    });

    it('is not sent for a wrong security code', async () => {
      expect((await purchase(100n, { cvc: 'mismatch' })).outcome).toBe('declined');
      expect(issuer.requests).toEqual([]);
    });

    it('can be simulated as published, by card number', async () => {
      const { body } = await simulate('/v1/cards', { type: 'VIRTUAL' });
      const answer = await simulate('/v1/simulate/authorize', {
        amount: 3831,
        descriptor: 'COFFEE SHOP',
        pan: (body as { pan: string }).pan,
        merchant_acceptor_country: 'USA',
      });
      expect(answer).toMatchObject({
        status: 201,
        body: { token: expect.any(String), debugging_request_id: expect.any(String) },
      });
      expect(issuer.requests).toEqual([expect.objectContaining({ amount: 3831n, channel: 'ecommerce' })]);
    });
  });

  describe('what became of one request of a purchase', () => {
    const standing = (processorAuthorizationId: string, messageId: string | undefined, opens = false) =>
      lithic.processor.findRequest({ processorAuthorizationId, messageId: messageId ?? '', opens });
    const says = (value: RequestStanding) => ({ kind: 'ok', value });
    const lastRequest = () => issuer.requests.at(-1)?.messageId;

    it('tells an increment from what it was asked on top of', async () => {
      const { processorAuthorizationId } = await purchase(1000n);
      const first = lastRequest();
      await lithic.sandbox.increment({ processorAuthorizationId, amount: 500n });
      const heard = lastRequest();
      await fault({ match: 'asa', lose_reply_times: 1 });
      await lithic.sandbox.increment({ processorAuthorizationId, amount: 300n });
      const unheard = lastRequest();
      expect(new Set([first, heard, unheard]).size).toBe(3);
      expect(await standing(processorAuthorizationId, first)).toEqual({ kind: 'ok', value: 'approved' });
      expect(await standing(processorAuthorizationId, heard)).toEqual({ kind: 'ok', value: 'approved' });
      expect(await standing(processorAuthorizationId, unheard)).toEqual({ kind: 'ok', value: 'declined' });
    });

    it('tells what a purchase began with from what came later, whichever of them was heard', async () => {
      await fault({ match: 'asa', lose_reply_times: 1 });
      const { processorAuthorizationId } = await purchase(1000n);
      const first = lastRequest();
      await lithic.sandbox.increment({ processorAuthorizationId, amount: 500n });
      expect(await standing(processorAuthorizationId, first, true)).toEqual(says('declined'));
      expect(await standing(processorAuthorizationId, lastRequest())).toEqual(says('approved'));
    });

    it('is declined by us or because our answer was not understood, and approved also after it was given back', async () => {
      issuer.interfere = () => ({ status: 400, body: '{}' });
      const declined = await purchase(1000n);
      expect(await standing(declined.processorAuthorizationId, lastRequest(), true)).toEqual(says('declined'));
      issuer.interfere = null;
      const approved = await purchase(1000n);
      okValue(await lithic.sandbox.reverse({ processorAuthorizationId: approved.processorAuthorizationId }));
      expect(await standing(approved.processorAuthorizationId, lastRequest(), true)).toEqual(says('approved'));
    });

    it('is the only one there is where a purchase began with it and it has no name', async () => {
      const { processorAuthorizationId } = await purchase(1000n);
      expect(await standing(processorAuthorizationId, 'msg_1', true)).toEqual(says('approved'));
      await simulate('/sim/clearing', { token: processorAuthorizationId, amount: 400 });
      expect(await standing(processorAuthorizationId, 'msg_1', true)).toEqual(says('approved'));
      await lithic.sandbox.increment({ processorAuthorizationId, amount: 500n });
      expect((await standing(processorAuthorizationId, 'msg_1', true)).kind).toBe('unknown');
      await fault({ match: 'asa', lose_reply_times: 1 });
      const unheard = await purchase(1000n);
      expect(await standing(unheard.processorAuthorizationId, 'msg_1', true)).toEqual(says('declined'));
      const forced = okValue(await lithic.sandbox.forcePost({ cardToken: unheard.cardToken, amount: 100n }));
      expect(await standing(forced.processorAuthorizationId, 'msg_1', true)).toEqual(says('not_recorded'));
      expect(await standing(randomUUID(), 'msg_1', true)).toEqual(says('not_recorded'));
    });

    it('is approved where the network stood in for the answer', async () => {
      await simulate('/sim/settings', { stand_in: 'approve' });
      const { processorAuthorizationId } = await purchase(1000n);
      await fault({ match: 'asa', lose_reply_times: 1 });
      await lithic.sandbox.increment({ processorAuthorizationId, amount: 500n });
      expect(await standing(processorAuthorizationId, lastRequest())).toEqual({ kind: 'ok', value: 'approved' });
    });

    it('is not recorded where the vendor has none of it, and unknown where it cannot say', async () => {
      const { processorAuthorizationId } = await purchase(1000n);
      const notRecorded = { kind: 'ok', value: 'not_recorded' };
      expect(await standing(processorAuthorizationId, randomUUID())).toEqual(notRecorded);
      expect(await standing(randomUUID(), randomUUID())).toEqual(notRecorded);
      // Named by its delivery: no transaction shows that.
      expect((await standing(processorAuthorizationId, 'msg_1')).kind).toBe('unknown');
      await fault({ match: 'GET /v1/transactions/:token', fail_times: 1 });
      expect((await standing(processorAuthorizationId, lastRequest())).kind).toBe('unknown');
    });
  });

  describe('the life of a purchase', () => {
    it('clears in full', async () => {
      const reference = await purchase(4250n);
      okValue(await lithic.sandbox.clear(reference));
      await until(() => issuer.events.length > 0, 'the clearing is told');
      expect(issuer.events).toEqual([
        expect.objectContaining({
          kind: 'clearing',
          amount: 4250n,
          currency: 'USD',
          final: true,
          cardToken: reference.cardToken,
          processorAuthorizationId: reference.processorAuthorizationId,
        }),
      ]);
    });

    it('clears with a tip, above the hold', async () => {
      const reference = await purchase(12_000n);
      okValue(await lithic.sandbox.clear({ ...reference, amount: 12_600n }));
      await until(() => issuer.events.length > 0, 'the clearing is told');
      expect(issuer.events).toEqual([expect.objectContaining({ kind: 'clearing', amount: 12_600n, final: true })]);
      expect((await book()).totals).toMatchObject({ hold_amount: 0, net_amount: 12_600 });
    });

    it('clears in parts, the last one final', async () => {
      const reference = await purchase(1000n);
      okValue(await lithic.sandbox.clear({ ...reference, amount: 700n }));
      await until(() => issuer.events.length === 1, 'the first clearing is told');
      okValue(await lithic.sandbox.clear({ ...reference, amount: 300n }));
      await until(() => issuer.events.length === 2, 'the second clearing is told');
      expect(issuer.events.map(({ amount, final }) => [amount, final])).toEqual([
        [700n, false],
        [300n, true],
      ]);
      // The first clearing came twice, in two deliveries that are not the same.
      expect(issuer.delivered.map(({ amount }) => amount)).toEqual([700n, 700n, 300n]);
      expect(new Set(issuer.deliveries).size).toBe(issuer.deliveries.length);
    });

    it('clears in part with a closing flag: the rest expires', async () => {
      const reference = await purchase(1000n);
      okValue(await lithic.sandbox.clear({ ...reference, amount: 700n, final: true }));
      await until(() => issuer.events.length === 2, 'clearing and expiry are told');
      expect(kinds()).toEqual([
        ['clearing', 700n],
        ['expiry', 300n],
      ]);
    });

    it('is reversed in part, then in full', async () => {
      const reference = await purchase(1000n);
      okValue(await lithic.sandbox.reverse({ ...reference, amount: 400n }));
      await until(() => issuer.events.length === 1, 'the first reversal is told');
      okValue(await lithic.sandbox.reverse(reference));
      await until(() => issuer.events.length === 2, 'the second reversal is told');
      expect(kinds()).toEqual([
        ['reversal', 400n],
        ['reversal', 600n],
      ]);
    });

    it('expires, and clears all the same', async () => {
      const reference = await purchase(1000n);
      okValue(await lithic.sandbox.expire(reference));
      okValue(await lithic.sandbox.clear({ ...reference, amount: 1000n }));
      await until(() => issuer.events.length === 2, 'expiry and clearing are told');
      expect(kinds().sort()).toEqual([
        ['clearing', 1000n],
        ['expiry', 1000n],
      ]);
    });

    it('has its total changed by an advice', async () => {
      const reference = await purchase(100n, { merchant: { mcc: '5542' } });
      okValue(await lithic.sandbox.advice({ ...reference, amount: 4700n }));
      await until(() => issuer.events.length === 1, 'the advice is told');
      expect(kinds()).toEqual([['authorization_advice', 4700n]]);
      expect(issuer.events[0]).toMatchObject({ amountBasis: 'total', reversedMessageId: null });
      expect((await book()).totals.hold_amount).toBe(4700);
    });

    it('clears the total of its last advice, even when that has expired', async () => {
      const reference = await purchase(100n);
      okValue(await lithic.sandbox.advice({ ...reference, amount: 4700n }));
      okValue(await lithic.sandbox.expire(reference));
      okValue(await lithic.sandbox.clear(reference));
      await until(() => issuer.events.length === 3, 'all is told');
      expect(kinds()).toContainEqual(['clearing', 4700n]);
    });

    it('may begin with an advice, because nobody asked us', async () => {
      const { cardToken } = await newCard();
      const advised = okValue(await lithic.sandbox.adviseUnasked({ cardToken, amount: 1500n, channel: 'contactless' }));
      await until(() => issuer.events.length === 1, 'the advice is told');
      okValue(await lithic.sandbox.clear(advised));
      await until(() => issuer.events.length === 2, 'the clearing is told');
      expect(issuer.requests).toEqual([]);
      expect(issuer.events).toEqual([
        expect.objectContaining({
          kind: 'authorization_advice',
          amount: 1500n,
          amountBasis: 'total',
          channel: 'contactless',
          ...advised,
        }),
        expect.objectContaining({ kind: 'clearing', amount: 1500n, final: true, ...advised }),
      ]);
    });

    it('may be a refund that is asked for first, and moves money when it is cleared', async () => {
      const { cardToken } = await newCard();
      const asked = okValue(await lithic.sandbox.refundAuthorization({ cardToken, amount: 800n }));
      expect(asked).toMatchObject({ outcome: 'approved', approvedAmount: 800n });
      expect(issuer.requests).toEqual([expect.objectContaining({ kind: 'refund_authorization', amount: 800n })]);
      okValue(await lithic.sandbox.clear({ processorAuthorizationId: asked.processorAuthorizationId }));
      await until(() => issuer.events.length === 1, 'the refund is told');
      expect(kinds()).toEqual([['refund', 800n]]);
      expect((await book()).totals.net_amount).toBe(-800);
    });

    it('without an authorization is a force post', async () => {
      const { cardToken } = await newCard();
      const posted = okValue(await lithic.sandbox.forcePost({ cardToken, amount: 900n }));
      await until(() => issuer.events.length === 1, 'the clearing is told');
      expect(issuer.requests).toEqual([]);
      expect(issuer.events[0]).toMatchObject({ kind: 'clearing', amount: 900n, final: true, ...posted });
    });

    it('in a single message moves money at once', async () => {
      await purchase(2000n, { channel: 'atm', singleMessage: true, cashAmount: 2000n });
      await until(() => issuer.events.length === 1, 'the posting is told');
      expect(issuer.requests[0]).toMatchObject({ kind: 'cash_withdrawal', cashAmount: 2000n });
      expect(issuer.events[0]).toMatchObject({
        kind: 'clearing',
        amount: 2000n,
        cashAmount: 2000n,
        channel: 'atm',
        final: true,
      });
      expect(issuer.events[0]?.messageId).not.toBe(issuer.requests[0]?.messageId);
      expect((await book()).totals.net_amount).toBe(2000);
    });

    it('in a single message that was approved in part moves what was approved, and no more is settled', async () => {
      issuer.answer = (request) => approve(request, { outcome: 'partially_approved', approvedAmount: 1500n });
      const answer = await purchase(2000n, { channel: 'chip', singleMessage: true, partialApprovalAllowed: true });
      expect(answer).toMatchObject({ outcome: 'approved', approvedAmount: 1500n });
      await until(() => issuer.events.length === 1, 'the posting is told');
      expect(issuer.events[0]).toMatchObject({
        kind: 'clearing',
        amount: 1500n,
        clearedMessageId: issuer.requests[0]?.messageId,
      });
      expect((await book()).totals).toMatchObject({ net_amount: 1500, hold_amount: 0 });
    });

    it('is refunded in its own transaction, and the refund reversed', async () => {
      const reference = await purchase(5000n);
      const originalProcessorAuthorizationId = reference.processorAuthorizationId;
      okValue(await lithic.sandbox.clear(reference));
      okValue(
        await lithic.sandbox.refund({
          cardToken: reference.cardToken,
          amount: 2000n,
          originalProcessorAuthorizationId,
        }),
      );
      okValue(await lithic.sandbox.refundReversal(reference));
      await until(() => issuer.events.length === 3, 'all is told');
      const refund = issuer.events.find(({ kind }) => kind === 'refund');
      expect(refund).toMatchObject({ amount: 2000n, originalProcessorAuthorizationId });
      expect(kinds()).toContainEqual(['refund_reversal', 2000n]);
      expect((await book()).totals.net_amount).toBe(5000);
    });

    it('is refunded in a transaction of its own', async () => {
      const { cardToken } = await newCard();
      const refund = okValue(await lithic.sandbox.refund({ cardToken, amount: 2000n }));
      await until(() => issuer.events.length === 1, 'the refund is told');
      expect(issuer.events[0]).toMatchObject({
        kind: 'refund',
        amount: 2000n,
        originalProcessorAuthorizationId: null,
        ...refund,
      });
    });

    it('cannot be cleared before it was authorized', async () => {
      expect(await lithic.sandbox.clear({ processorAuthorizationId: randomUUID() })).toMatchObject({
        kind: 'rejected',
        code: 'not_found',
      });
      issuer.answer = (request) =>
        approve(request, { outcome: 'declined', approvedAmount: 0n, declineReason: 'card_closed' });
      expect(await lithic.sandbox.clear(await purchase(100n))).toMatchObject({ kind: 'rejected', code: 'http_422' });
    });
  });

  describe('delivery', () => {
    it('of the same webhook several times is one event', async () => {
      await fault({ match: 'webhook:CLEARING', repeat: 3 });
      okValue(await lithic.sandbox.clear(await purchase(1000n)));
      await quiet();
      expect(issuer.delivered).toHaveLength(4);
      // The authorization's own webhook, and four times the same one.
      expect(new Set(issuer.deliveries).size).toBe(2);
      expect(new Set(issuer.delivered.map(({ contentHash }) => contentHash)).size).toBe(1);
      expect(kinds()).toEqual([['clearing', 1000n]]);
    });

    it('is tried again until it is taken', async () => {
      await fault({ match: 'webhook:CLEARING', fail_times: 3 });
      okValue(await lithic.sandbox.clear(await purchase(1000n)));
      await until(() => issuer.events.length === 1, 'the clearing is told at last');
    });

    it('out of order yields the same events', async () => {
      const reference = await purchase(1000n);
      await quiet();
      await fault({ match: 'webhook:*', reorder: 10 });
      okValue(await lithic.sandbox.clear({ ...reference, amount: 600n }));
      okValue(await lithic.sandbox.clear({ ...reference, amount: 400n }));
      await quiet();
      expect(kinds().sort()).toEqual([
        ['clearing', 400n],
        ['clearing', 600n],
      ]);
    });

    it('that is slow comes in the end', async () => {
      await fault({ match: 'webhook:CLEARING', slow_ms: 300 });
      okValue(await lithic.sandbox.clear(await purchase(1000n)));
      expect(issuer.events).toEqual([]);
      await until(() => issuer.events.length === 1, 'the clearing is told');
    });

    it('with a foreign signature is refused, and delivered once it is signed', async () => {
      await fault({ match: 'webhook:CLEARING', bad_signature_times: 1 });
      okValue(await lithic.sandbox.clear(await purchase(1000n)));
      await until(() => issuer.events.length === 1, 'the clearing is told');
      expect(issuer.refused).toEqual(['no signature matches']);
    });

    it('of a request with a foreign signature is refused and declines', async () => {
      await fault({ match: 'asa', bad_signature_times: 1 });
      expect((await purchase(1000n)).outcome).toBe('declined');
      expect(issuer.requests).toEqual([]);
      expect(issuer.refused).toEqual(['no signature matches']);
    });

    it('does not take an event for a request: each route has its own key', async () => {
      await simulate('/v1/responder_endpoints', { type: 'AUTH_STREAM_ACCESS', url: issuer.eventsUrl });
      expect((await purchase(1000n)).outcome).toBe('declined');
      expect(issuer.refused).toContain('no signature matches');
    });

    it('goes on over a rotation of the key', async () => {
      await simulate('/v1/auth_stream/secret/rotate', {});
      expect((await purchase(1000n)).outcome).toBe('approved');
      const { body } = await simulate('/v1/auth_stream/secret', null, 'GET');
      const rotated = createLithic({
        baseUrl: network.url,
        apiKey: API_KEY,
        asaSecrets: [(body as { secret: string }).secret],
        eventSecrets: [EVENTS_SECRET],
      });
      const before = lithic;
      lithic = rotated;
      try {
        expect((await purchase(1000n)).outcome).toBe('approved');
      } finally {
        lithic = before;
        await rotated.close();
      }
    });
  });

  describe('settlement', () => {
    const today = () => new Date().toISOString().slice(0, 10);

    it('adds up clearings and refunds, and moves the net amount over the bank once', async () => {
      const reference = await purchase(5000n);
      okValue(await lithic.sandbox.clear(reference));
      okValue(await lithic.sandbox.refund({ cardToken: reference.cardToken, amount: 1250n }));
      await purchase(9900n);
      const date = today();
      const expected = {
        date,
        currency: 'USD',
        netAmount: 3750n,
        clearingsAmount: 5000n,
        refundsAmount: 1250n,
        transactionCount: 2,
        isComplete: false,
        updatedAt: expect.any(Date),
        bankReference: `LITHIC-SETTLEMENT-${date}`,
        items: [5000n, -1250n].map((amount) => ({
          cardToken: reference.cardToken,
          messageIds: [expect.any(String)],
          amount,
        })),
      };
      const open = await lithic.processor.settlementSummary(date);
      expect(open).toEqual({ kind: 'ok', value: expected });

      const settled = okValue(await lithic.sandbox.settle({ date }));
      expect(settled).toEqual({ date, netAmount: 3750n, bankReference: `LITHIC-SETTLEMENT-${date}` });
      expect(await lithic.sandbox.settle({ date })).toEqual({ kind: 'ok', value: settled });
      expect(bank.orders).toEqual([
        {
          method: 'POST',
          url: '/bank/sim/debits',
          account_id: 'acct_settlement',
          reference: settled.bankReference,
          amount: '37.50',
          direction: 'debit',
          description: 'Card network settlement',
        },
      ]);
      const report = okValue(await lithic.processor.settlementSummary(date));
      expect(report).toEqual({ ...expected, isComplete: true });
      // Asked for again unchanged it is of the same time, and never of an earlier one.
      expect(okValue(await lithic.processor.settlementSummary(date)).updatedAt).toEqual(report.updatedAt);
      expect(report.updatedAt.getTime()).toBeGreaterThanOrEqual(okValue(open).updatedAt.getTime());
      await quiet();
      expect(report.items.flatMap(({ messageIds }) => messageIds).sort()).toEqual(
        issuer.events.map(({ messageId }) => messageId).sort(),
      );
      expect((await book()).totals).toMatchObject({
        net_amount: 3750,
        settled_amount: 3750,
        unsettled_amount: 0,
        hold_amount: 9900,
      });
    });

    it('is told to the bank again after a lost answer, under the same reference', async () => {
      okValue(await lithic.sandbox.clear(await purchase(5000n)));
      bank.status = 500;
      const date = today();
      expect((await lithic.sandbox.settle({ date })).kind).toBe('unknown');
      bank.status = 200;
      okValue(await lithic.sandbox.settle({ date }));
      expect(bank.orders.map(({ reference, amount }) => [reference, amount])).toEqual([
        [`LITHIC-SETTLEMENT-${date}`, '50.00'],
        [`LITHIC-SETTLEMENT-${date}`, '50.00'],
      ]);
    });

    it('of more refunds than clearings pays us', async () => {
      const { cardToken } = await newCard();
      okValue(await lithic.sandbox.refund({ cardToken, amount: 1205n }));
      expect(okValue(await lithic.sandbox.settle({ date: today() })).netAmount).toBe(-1205n);
      expect(bank.orders).toEqual([expect.objectContaining({ amount: '12.05', direction: 'credit' })]);
    });

    it('leaves what comes after the close of a day to the next', async () => {
      okValue(await lithic.sandbox.clear(await purchase(1000n)));
      const date = today();
      okValue(await lithic.sandbox.settle({ date }));
      okValue(await lithic.sandbox.clear(await purchase(300n)));
      const next = new Date(Date.parse(date) + 86_400_000).toISOString().slice(0, 10);
      expect(okValue(await lithic.processor.settlementSummary(date)).netAmount).toBe(1000n);
      expect(okValue(await lithic.sandbox.settle({ date: next })).netAmount).toBe(300n);
    });

    it('is read over several pages', async () => {
      const { cardToken } = await newCard();
      for (let count = 0; count < 103; count += 1) await lithic.sandbox.forcePost({ cardToken, amount: 10n });
      expect(okValue(await lithic.processor.settlementSummary(today()))).toMatchObject({
        netAmount: 1030n,
        transactionCount: 103,
      });
    });

    it('of no day is refused', async () => {
      expect(await lithic.sandbox.settle({ date: '2026-02-30' })).toMatchObject({ kind: 'rejected', code: 'http_400' });
    });
  });

  it('the network keeps its book, its cards and its waiting webhooks over a restart', async () => {
    const reference = await purchase(1000n);
    await quiet();
    await fault({ match: 'webhook:CLEARING', fail_times: 1_000 });
    okValue(await lithic.sandbox.clear({ ...reference, amount: 600n }));
    const before = await book();
    expect(before.webhooks_pending).toBe(1);
    await network.close();
    network = await startCardNetwork({ ...config, port: network.port });
    await until(() => issuer.events.length === 1, 'the webhook that waited is told');
    expect((await book()).totals).toEqual(before.totals);
    expect((await book()).transactions).toEqual(before.transactions);
    expect(okValue(await lithic.processor.getCard(reference.cardToken)).cardToken).toBe(reference.cardToken);
  });
});
