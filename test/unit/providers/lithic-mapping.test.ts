import { DECLINE_REASONS } from '../../../services/authorizations/rules/decline-reason';
import { createLithicIngress } from '../../../services/providers/processor/lithic/ingress';
import { RESPONSE_LIMIT_MS, RESPONSE_MARGIN_MS } from '../../../services/providers/processor/lithic/mapping';
import type { AuthorizationReply, AuthorizationRequest, CardEvent } from '../../../services/providers/processor/port';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const ingress = createLithicIngress({ asaSecrets: [SECRET], eventSecrets: [SECRET] });
const HEADERS = { 'webhook-id': 'msg_1' };
const RECEIVED = new Date('2026-03-01T12:00:00.000Z');

const merchant = {
  acceptor_id: 'M1',
  descriptor: 'COFFEE SHOP',
  city: 'NEW YORK',
  country: 'USA',
  mcc: '5812',
  state: 'NY',
};
const usd = (amount: number) => ({ amount, currency: 'USD' });
const rated = (amount: number) => ({ ...usd(amount), conversion_rate: '1.000000' });

function asa(change: Record<string, unknown> = {}) {
  return {
    event_type: 'card_authorization.approval_request',
    token: 'txn-1',
    event_token: 'evt-1',
    status: 'AUTHORIZATION',
    created: '2026-03-01T11:59:59Z',
    amount: 4250,
    authorization_amount: 4250,
    settled_amount: 0,
    acquirer_fee: 0,
    cash_amount: 0,
    cardholder_currency: 'USD',
    merchant_amount: 4250,
    merchant_currency: 'USD',
    amounts: { cardholder: rated(4250), merchant: usd(4250), hold: null, settlement: null },
    card: { token: 'card-1', last_four: '4242', state: 'OPEN', type: 'VIRTUAL' },
    merchant,
    avs: { address: '', zipcode: '', address_on_file_match: 'NOT_PRESENT' },
    pos: {
      entry_mode: { pan: 'CONTACTLESS', cardholder: 'PRESENT', card: 'PRESENT', pin_entered: false },
      terminal: { partial_approval_capable: false, type: 'POS_TERMINAL', attended: true },
    },
    ...change,
  };
}

const raw = (value: unknown) => Buffer.from(JSON.stringify(value));

function request(change: Record<string, unknown> = {}): AuthorizationRequest {
  const found = ingress.toRequest(raw(asa(change)), HEADERS, RECEIVED);
  if (found.kind !== 'request') throw new Error(found.detail);
  return found.request;
}

describe('an Auth Stream Access request', () => {
  it('carries what was typed at a pump, and no fleet data where the card is of no fleet', () => {
    const prompts = { fleet_prompt_code: 'VEHICLE_NUMBER', fleet_restriction_code: 'FUEL_ONLY' };
    const nothing = { driverId: null, vehicleId: null, odometer: null, fuelVolumeMl: null, fuelType: null };
    expect(request({ fleet_info: null }).fleet).toBeNull();
    expect(request({ fleet_info: { ...prompts, driver_number: null } }).fleet).toEqual(nothing);
    expect(request({ fleet_info: { ...prompts, driver_number: '42', vehicle_number: '7' } }).fleet).toEqual({
      ...nothing,
      driverId: '42',
      vehicleId: '7',
    });
  });

  it('is translated field by field', () => {
    expect(request()).toEqual({
      vendor: 'lithic',
      messageId: 'evt-1',
      processorAuthorizationId: 'txn-1',
      cardToken: 'card-1',
      kind: 'authorization',
      amount: 4250n,
      amountBasis: 'delta',
      currency: 'USD',
      merchantAmount: 4250n,
      merchantCurrency: 'USD',
      merchant: { id: 'M1', name: 'COFFEE SHOP', city: 'NEW YORK', country: 'USA', mcc: '5812' },
      channel: 'contactless',
      partialApprovalAllowed: false,
      cashAmount: 0n,
      avs: 'not_provided',
      cvc: 'not_provided',
      fleet: null,
      occurredAt: new Date('2026-03-01T11:59:59Z'),
      respondBy: new Date(RECEIVED.getTime() + RESPONSE_LIMIT_MS - RESPONSE_MARGIN_MS),
      contentHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('is identified by its signed webhook id where Lithic sends no event token', () => {
    expect(request({ event_token: undefined }).messageId).toBe('msg_1');
  });

  it('shows what no text can hold in a merchant’s name as unreadable', () => {
    const { merchant: read } = request({
      merchant: { ...merchant, acceptor_id: 'M\u00001', descriptor: 'CAF\u00c9 \ud83c\udf70 \ud800 \u001eBAR' },
    });
    expect(read).toMatchObject({ id: 'M\ufffd1', name: 'CAF\u00c9 \ud83c\udf70 \ufffd \ufffdBAR' });
  });

  it('has a hash of its bytes', () => {
    expect(request().contentHash).toBe(request().contentHash);
    expect(request({ cash_amount: 1 }).contentHash).not.toBe(request().contentHash);
  });

  it('keeps the billed and the merchant amount of a foreign purchase apart', () => {
    const foreign = request({
      amounts: { cardholder: rated(800), merchant: { amount: 1000, currency: 'EUR' }, hold: null },
    });
    expect(foreign).toMatchObject({ amount: 800n, currency: 'USD', merchantAmount: 1000n, merchantCurrency: 'EUR' });
  });

  it('reads the older amount fields where there are no structured ones', () => {
    const older = request({
      amounts: undefined,
      authorization_amount: 1000,
      merchant_amount: 900,
      merchant_currency: 'GBP',
    });
    expect(older).toMatchObject({ amount: 1000n, merchantAmount: 900n, merchantCurrency: 'GBP' });
  });

  it.each([
    [{ status: 'BALANCE_INQUIRY', amounts: undefined, authorization_amount: 0 }, 'balance_inquiry'],
    [
      { status: 'CREDIT_AUTHORIZATION', amounts: { cardholder: rated(-500), merchant: usd(-500) } },
      'refund_authorization',
    ],
    [
      { status: 'FINANCIAL_CREDIT_AUTHORIZATION', amounts: { cardholder: rated(-500), merchant: usd(-500) } },
      'refund_authorization',
    ],
    [{ status: 'FINANCIAL_AUTHORIZATION' }, 'authorization'],
    [{ merchant: { ...merchant, mcc: '6011' } }, 'cash_withdrawal'],
    [{ pos: { terminal: { partial_approval_capable: false, type: 'ATM' } } }, 'cash_withdrawal'],
    [{ amounts: { cardholder: rated(0), merchant: usd(0) } }, 'zero_amount_verification'],
  ])('%j is a %s', (change, kind) => {
    expect(request(change).kind).toBe(kind);
  });

  it.each([
    [{ entry_mode: { pan: 'ICC', cardholder: 'PRESENT' } }, 'chip'],
    [{ entry_mode: { pan: 'MAGNETIC_STRIPE', cardholder: 'PRESENT' } }, 'magstripe'],
    [{ entry_mode: { pan: 'KEY_ENTERED', cardholder: 'PRESENT' } }, 'manual'],
    [{ entry_mode: { pan: 'KEY_ENTERED', cardholder: 'ELECTRONIC_ORDER' } }, 'ecommerce'],
    [{ entry_mode: { pan: 'CREDENTIAL_ON_FILE', cardholder: 'REOCCURRING' } }, 'recurring'],
    [{ terminal: { partial_approval_capable: false, type: 'ATM' } }, 'atm'],
    [{ entry_mode: { pan: 'SOMETHING_NEW', cardholder: 'UNKNOWN' } }, 'unknown'],
    [{ entry_mode: { pan: 'constructor' } }, 'unknown'],
    [undefined, 'unknown'],
  ])('reads the channel of %j as %s', (pos, channel) => {
    expect(request({ pos }).channel).toBe(channel);
  });

  it.each([
    ['MATCH', 'match'],
    ['MATCH_ZIP_ONLY', 'postal_code_match'],
    ['MATCH_ADDRESS_ONLY', 'address_match'],
    ['MISMATCH', 'mismatch'],
    ['SOMETHING_NEW', 'not_provided'],
  ])('reads the address check %s as %s', (word, avs) => {
    expect(request({ avs: { address_on_file_match: word } }).avs).toBe(avs);
  });

  it.each([
    ['an unknown status', { status: 'SOMETHING_NEW' }],
    ['a fraction of a cent', { amounts: { cardholder: rated(10.5), merchant: usd(10) } }],
    ['an amount beyond exact integers', { amounts: { cardholder: rated(2 ** 53), merchant: usd(10) } }],
    ['a negative purchase', { amounts: { cardholder: rated(-1), merchant: usd(1) } }],
    ['a positive credit', { status: 'CREDIT_AUTHORIZATION' }],
    ['an amount as text', { authorization_amount: '4250' }],
    ['no card', { card: undefined }],
    ['a currency that is none', { amounts: { cardholder: { amount: 1, currency: 'usd' }, merchant: usd(1) } }],
    ['a time that is none', { created: 'yesterday' }],
  ])('is malformed with %s, and gets a decline', (_name, change) => {
    const found = ingress.toRequest(raw(asa(change)), HEADERS, RECEIVED);
    expect(found).toMatchObject({ kind: 'malformed', reply: { status: 200, body: { result: 'DO_NOT_HONOR' } } });
  });

  it.each(['', 'null', '[]', '{"a":', '12'])('is malformed as %p', (body) => {
    expect(ingress.toRequest(Buffer.from(body), HEADERS, RECEIVED).kind).toBe('malformed');
  });
});

describe('the answer', () => {
  const reply = (change: Partial<AuthorizationReply>): AuthorizationReply => ({
    outcome: 'approved',
    approvedAmount: 4250n,
    declineReason: null,
    balance: null,
    authorizationId: 'auth',
    ...change,
  });

  it('to an approval carries no amount: an amount would make it partial', () => {
    expect(ingress.toReply(reply({}), request())).toEqual({
      status: 200,
      body: { token: 'txn-1', result: 'APPROVED' },
    });
  });

  it('to a partial approval carries the amount', () => {
    const capable = request({ pos: { terminal: { partial_approval_capable: true, type: 'POS_TERMINAL' } } });
    expect(ingress.toReply(reply({ outcome: 'partially_approved', approvedAmount: 2500n }), capable).body).toEqual({
      token: 'txn-1',
      result: 'APPROVED',
      approved_amount: 2500,
    });
  });

  it('is never partial where the terminal cannot take it', () => {
    expect(() => ingress.toReply(reply({ outcome: 'partially_approved' }), request())).toThrow('terminal');
  });

  it('to a balance inquiry carries the balance', () => {
    const inquiry = request({ status: 'BALANCE_INQUIRY', amounts: undefined, authorization_amount: 0 });
    expect(ingress.toReply(reply({ balance: 12345n, approvedAmount: 0n }), inquiry).body).toMatchObject({
      result: 'APPROVED',
      balance: { amount: 12345, available: 12345 },
    });
  });

  it('says what is known of the address, since silence would be taken for a match', () => {
    const mismatch = request({ avs: { address_on_file_match: 'MISMATCH' } });
    expect(ingress.toReply(reply({}), mismatch).body).toMatchObject({ avs_result: 'FAIL' });
  });

  const PUBLISHED = [
    'AVS_INVALID',
    'CARD_PAUSED',
    'INSUFFICIENT_FUNDS',
    'UNAUTHORIZED_MERCHANT',
    'VELOCITY_EXCEEDED',
    'DRIVER_NUMBER_INVALID',
    'VEHICLE_NUMBER_INVALID',
    'SUSPECTED_FRAUD',
  ];
  it.each(DECLINE_REASONS)('to %s is a decline in words that Lithic knows or declines on', (declineReason) => {
    const { body } = ingress.toReply(reply({ outcome: 'declined', approvedAmount: 0n, declineReason }), request());
    expect([...PUBLISHED, 'DO_NOT_HONOR']).toContain((body as { result: string }).result);
    expect(body).not.toHaveProperty('approved_amount');
  });
});

interface EventInput {
  readonly type: string;
  readonly result?: string;
  readonly detail?: string;
  readonly cents?: number;
  readonly settlement?: { amount: number; currency: string } | null;
  readonly polarity?: 'CREDIT' | 'DEBIT';
  readonly merchantMoney?: { amount: number; currency: string };
  readonly legacy?: number;
}

const FINANCIAL = new Set([
  'CLEARING',
  'RETURN',
  'RETURN_REVERSAL',
  'FINANCIAL_AUTHORIZATION',
  'FINANCIAL_CREDIT_AUTHORIZATION',
]);

function transaction(events: readonly EventInput[], hold = 0, change: Record<string, unknown> = {}) {
  return {
    event_type: 'card_transaction.updated',
    token: 'txn-1',
    card_token: 'card-1',
    status: 'PENDING',
    merchant,
    amounts: { hold: usd(-hold), cardholder: rated(0), merchant: usd(0), settlement: usd(0) },
    events: events.map((event, index) => {
      const cents = event.cents ?? 1000;
      return {
        token: `evt-${index + 1}`,
        type: event.type,
        result: event.result ?? 'APPROVED',
        detailed_results: [event.detail ?? event.result ?? 'APPROVED'],
        effective_polarity: event.polarity ?? 'DEBIT',
        created: `2026-03-01T12:00:0${index}`,
        amount: event.legacy ?? cents,
        amounts: {
          cardholder: rated(cents),
          merchant: event.merchantMoney ?? usd(cents),
          settlement:
            event.settlement === undefined ? (FINANCIAL.has(event.type) ? rated(cents) : null) : event.settlement,
        },
      };
    }),
    ...change,
  };
}

function eventsOf(events: readonly EventInput[], hold = 0): readonly CardEvent[] {
  const found = ingress.toEvents(raw(transaction(events, hold)), HEADERS, RECEIVED);
  if (found.kind !== 'events') throw new Error(found.detail);
  expect(found.unknown).toEqual([]);
  return found.events;
}

const brief = (events: readonly CardEvent[]) =>
  events.map(({ kind, amount, final, messageId }) => [kind, amount, ...(final ? ['final'] : []), messageId]);

describe('a card_transaction.updated', () => {
  const authorization = { type: 'AUTHORIZATION' };

  it('is translated field by field', () => {
    expect(eventsOf([authorization, { type: 'CLEARING', cents: 1100 }])).toEqual([
      {
        vendor: 'lithic',
        messageId: 'evt-2',
        processorAuthorizationId: 'txn-1',
        cardToken: 'card-1',
        kind: 'clearing',
        amount: 1100n,
        currency: 'USD',
        merchantAmount: 1100n,
        merchantCurrency: 'USD',
        merchant: { id: 'M1', name: 'COFFEE SHOP', city: 'NEW YORK', country: 'USA', mcc: '5812' },
        final: true,
        originalProcessorAuthorizationId: null,
        amountBasis: 'delta',
        cashAmount: 0n,
        channel: 'unknown',
        reversedMessageId: null,
        clearedMessageId: null,
        effectiveAt: new Date('2026-03-01T12:00:01Z'),
        contentHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ]);
  });

  it('of an answered authorization asks nothing of us', () => {
    expect(eventsOf([authorization], 1000)).toEqual([]);
  });

  it.each([
    ['our own answer, or one just like it', { type: 'AUTHORIZATION', result: 'INSUFFICIENT_FUNDS' }],
    ['a rule of Lithic’s own', { type: 'AUTHORIZATION', result: 'GLOBAL_TRANSACTION_LIMIT' }],
    ['a word that nobody knows yet', { type: 'AUTHORIZATION', result: 'SOMETHING_NEW' }],
    ['its approval, of a single message', { type: 'FINANCIAL_AUTHORIZATION', result: 'INSUFFICIENT_FUNDS' }],
    ['a timeout', { type: 'AUTHORIZATION', result: 'UNKNOWN_HOST_TIMEOUT', detail: 'CUSTOMER_ASA_TIMEOUT' }],
    [
      'an answer that was not understood',
      { type: 'AUTHORIZATION', result: 'DECLINED', detail: 'MALFORMED_ASA_RESPONSE' },
    ],
    ['a fault at Lithic', { type: 'AUTHORIZATION', result: 'DECLINED', detail: 'LITHIC_SYSTEM_ERROR' }],
  ])('of an authorization declined after %s undoes that request', (_name, event) => {
    const events = eventsOf([event]);
    expect(brief(events)).toEqual([['reversal', 1000n, 'evt-1:outcome']]);
    expect(events[0]?.reversedMessageId).toBe('evt-1');
  });

  it('of an authorization that the network approved in our place is an advice', () => {
    const timeout = { type: 'AUTHORIZATION', result: 'UNKNOWN_HOST_TIMEOUT' };
    expect(brief(eventsOf([timeout, { type: 'AUTHORIZATION_ADVICE' }], 1000))).toEqual([
      ['authorization_advice', 1000n, 'evt-2'],
    ]);
  });

  it('of an authorization that the network declined after our approval frees its hold', () => {
    expect(brief(eventsOf([authorization, { type: 'AUTHORIZATION_ADVICE', result: 'DECLINED' }]))).toEqual([
      ['reversal', 1000n, 'evt-2'],
    ]);
    expect(eventsOf([{ type: 'AUTHORIZATION_ADVICE', result: 'INCORRECT_PIN' }])).toEqual([]);
  });

  it('of an advice carries the new total', () => {
    expect(brief(eventsOf([authorization, { type: 'AUTHORIZATION_ADVICE', cents: 2000 }], 2000))).toEqual([
      ['authorization_advice', 2000n, 'evt-2'],
    ]);
  });

  it('of several clearings calls the last one final once no hold is left', () => {
    const first = { type: 'CLEARING', cents: 700 };
    expect(brief(eventsOf([authorization, first], 300))).toEqual([['clearing', 700n, 'evt-2']]);
    expect(brief(eventsOf([authorization, first, { type: 'CLEARING', cents: 300 }]))).toEqual([
      ['clearing', 700n, 'evt-2'],
      ['clearing', 300n, 'final', 'evt-3'],
    ]);
  });

  it('calls a clearing the last one where only money that comes back follows in the same delivery', () => {
    const clearing = { type: 'CLEARING', cents: 700 };
    const refund = { type: 'RETURN', polarity: 'CREDIT', cents: 700 } as const;
    const final = ['clearing', 700n, 'final', 'evt-2'];
    const declined = { type: 'AUTHORIZATION', result: 'DECLINED' };
    expect(brief(eventsOf([authorization, clearing, refund]))[0]).toEqual(final);
    expect(brief(eventsOf([authorization, clearing, refund, { type: 'RETURN_REVERSAL' }]))[0]).toEqual(final);
    expect(brief(eventsOf([authorization, clearing, declined]))[0]).toEqual(final);
    expect(brief(eventsOf([authorization, clearing, refund], 300))[0]).toEqual(['clearing', 700n, 'evt-2']);
  });

  it.each([
    'AUTHORIZATION',
    'AUTHORIZATION_ADVICE',
    'AUTHORIZATION_EXPIRY',
    'AUTHORIZATION_REVERSAL',
    'CLEARING',
    'FINANCIAL_AUTHORIZATION',
  ])('does not call a clearing the last one where an approved %s follows', (type) => {
    const events = eventsOf([authorization, { type: 'CLEARING', cents: 700 }, { type, polarity: 'CREDIT' }]);
    expect(brief(events)[0]).toEqual(['clearing', 700n, 'evt-2']);
  });

  it('names and hashes an event alike, whatever joined it since', () => {
    const early = eventsOf([authorization, { type: 'CLEARING', cents: 700 }], 300)[0];
    const late = eventsOf([authorization, { type: 'CLEARING', cents: 700 }, { type: 'CLEARING', cents: 300 }])[0];
    expect(late?.messageId).toBe(early?.messageId);
    expect(late?.contentHash).toBe(early?.contentHash);
    const other = eventsOf([authorization, { type: 'CLEARING', cents: 701 }], 300)[0];
    expect(other?.contentHash).not.toBe(early?.contentHash);
  });

  it('of reversals and expiry releases debits only', () => {
    const reversal = { type: 'AUTHORIZATION_REVERSAL', polarity: 'CREDIT', cents: 900 } as const;
    const expiry = { type: 'AUTHORIZATION_EXPIRY', polarity: 'CREDIT', cents: 100 } as const;
    expect(brief(eventsOf([authorization, reversal, expiry]))).toEqual([
      ['reversal', 900n, 'evt-2'],
      ['expiry', 100n, 'evt-3'],
    ]);
    expect(
      eventsOf([
        { type: 'CREDIT_AUTHORIZATION', polarity: 'CREDIT' },
        { ...reversal, polarity: 'DEBIT' },
      ]),
    ).toEqual([]);
    expect(eventsOf([authorization, { ...reversal, result: 'ORIGINAL_NOT_FOUND' }])).toEqual([]);
  });

  it('of a single-message purchase clears it', () => {
    const events = eventsOf([{ type: 'FINANCIAL_AUTHORIZATION', cents: 2000 }]);
    expect(brief(events)).toEqual([['clearing', 2000n, 'final', 'evt-1:outcome']]);
    expect(events[0]?.clearedMessageId).toBe('evt-1');
  });

  it('of a force post is a final clearing', () => {
    expect(brief(eventsOf([{ type: 'CLEARING' }]))).toEqual([['clearing', 1000n, 'final', 'evt-1']]);
  });

  it('of a return names its purchase only when it stands in the same transaction', () => {
    const refund = { type: 'RETURN', polarity: 'CREDIT', cents: 400 } as const;
    const linked = eventsOf([authorization, { type: 'CLEARING' }, refund])[1];
    expect(linked).toMatchObject({ kind: 'refund', amount: 400n, originalProcessorAuthorizationId: 'txn-1' });
    expect(eventsOf([refund])[0]).toMatchObject({ kind: 'refund', originalProcessorAuthorizationId: null });
    expect(eventsOf([{ type: 'CREDIT_AUTHORIZATION', polarity: 'CREDIT' }, refund])[0]).toMatchObject({
      originalProcessorAuthorizationId: null,
    });
    expect(eventsOf([{ ...refund, result: 'ORIGINAL_NOT_FOUND' }])).toEqual([]);
    expect(brief(eventsOf([refund, { type: 'RETURN_REVERSAL', cents: 400 }]))[1]).toEqual([
      'refund_reversal',
      400n,
      'evt-2',
    ]);
  });

  it('counts moved money in the settlement amount, and falls back on the older field', () => {
    const eur = { amount: 1000, currency: 'EUR' };
    const moved = eventsOf([{ type: 'CLEARING', cents: 801, settlement: usd(800), merchantMoney: eur }])[0];
    expect(moved).toMatchObject({ amount: 800n, currency: 'USD', merchantAmount: 1000n, merchantCurrency: 'EUR' });
    expect(
      eventsOf([{ type: 'RETURN', cents: 0, settlement: usd(0), legacy: -480, polarity: 'CREDIT' }])[0]?.amount,
    ).toBe(480n);
  });

  it.each(['CORRECTION_DEBIT', 'SOMETHING_NEW', 'toString'])(
    'with an event of type %s reports it as unknown and keeps the others',
    (type) => {
      const found = ingress.toEvents(raw(transaction([{ type: 'CLEARING' }, { type }])), HEADERS, RECEIVED);
      expect(found).toMatchObject({
        kind: 'events',
        events: [{ kind: 'clearing' }],
        unknown: [{ messageId: 'evt-2' }],
      });
    },
  );

  it('that declines a single-message purchase after its approval is for people to look at', () => {
    const found = ingress.toEvents(
      raw(transaction([{ type: 'FINANCIAL_AUTHORIZATION' }, { type: 'CLEARING', result: 'DECLINED' }])),
      HEADERS,
      RECEIVED,
    );
    expect(found).toMatchObject({ kind: 'events', unknown: [{ messageId: 'evt-2' }] });
  });

  it('that reverses a single-message purchase after it moved money is for people to look at', () => {
    const single = { type: 'FINANCIAL_AUTHORIZATION' };
    const reversal = { type: 'AUTHORIZATION_REVERSAL', polarity: 'CREDIT' } as const;
    const found = ingress.toEvents(raw(transaction([single, reversal])), HEADERS, RECEIVED);
    expect(found).toMatchObject({
      kind: 'events',
      events: [{ kind: 'clearing' }],
      unknown: [{ messageId: 'evt-2', detail: expect.stringContaining('reversed') }],
    });
    expect(brief(eventsOf([{ ...single, result: 'DECLINED' }, authorization, reversal]))[1]).toEqual([
      'reversal',
      1000n,
      'evt-3',
    ]);
    expect(brief(eventsOf([authorization, single, reversal]))[1]).toEqual(['reversal', 1000n, 'evt-3']);
  });

  it('of another event type is unknown', () => {
    const found = ingress.toEvents(raw({ event_type: 'dispute.updated', token: 'x' }), HEADERS, RECEIVED);
    expect(found).toMatchObject({ kind: 'events', events: [], unknown: [{ vendor: 'lithic', messageId: 'msg_1' }] });
  });

  it.each([
    ['no JSON', Buffer.from('{')],
    ['no type', raw({ token: 'x' })],
    ['no events', raw(transaction([], 0, { events: undefined }))],
    ['a fraction of a cent', raw(transaction([{ type: 'CLEARING', settlement: usd(0.5) }]))],
    ['no hold', raw(transaction([{ type: 'CLEARING' }], 0, { amounts: {} }))],
  ])('with %s is malformed', (_name, body) => {
    expect(ingress.toEvents(body, HEADERS, RECEIVED).kind).toBe('malformed');
  });
});
