import { decideAuthorization, type SpendRequest } from '../../../services/authorizations/rules/decide-authorization';
import { DECLINE_REASONS, type DeclineReason } from '../../../services/authorizations/rules/decline-reason';
import { CHECKS, type Explanation, explain } from '../../../services/authorizations/rules/explain';
import { wordsForCardholder, wordsForSupport } from '../../../services/authorizations/rules/explain-in-words';
import {
  decisionInputsOf,
  marketOfRecord,
  marketRecord,
  type Receipt,
  receiptText,
} from '../../../services/authorizations/rules/receipt';
import type { SpendSnapshot } from '../../../services/authorizations/rules/spend-snapshot';
import type { StoredLimitCounters } from '../../../services/cards/rules/limit-counters';
import { DEFAULT_PROGRAM_POLICY } from '../../../services/programs/rules/program-policy';
import { required } from '../../../services/shared/assert';
import { NOW, priceOf, requestOf, snapshotOf } from '../../builders/snapshots';

const card = required(snapshotOf().card, 'the card of the builder');

function explained(
  changes: Partial<SpendSnapshot>,
  amount: bigint,
  asked: Partial<SpendRequest> = {},
  committedLate = false,
): Explanation {
  const snapshot = snapshotOf(changes);
  const request = requestOf(amount, asked);
  const subject = { authorizationId: 'id', contentHash: 'hash' };
  const decision = decideAuthorization(snapshot, request, NOW);
  const receipt = JSON.parse(
    receiptText({ subject, snapshot, request, decision, now: NOW, marketHash: 'market' }),
  ) as Receipt;
  const inputs = decisionInputsOf(receipt, marketOfRecord(marketRecord(snapshot)), snapshot.policy);
  return explain(receipt, inputs, committedLate);
}

function resultsOf({ checks }: Explanation): Record<string, string> {
  return Object.fromEntries(checks.map(({ check, result }) => [check, result]));
}

const spent: StoredLimitCounters = {
  day: [Date.UTC(2026, 10, 21), '40000', 3],
  week: [Date.UTC(2026, 10, 16), '40000', 3],
  month: [Date.UTC(2026, 10, 1), '40000', 3],
  year: [Date.UTC(2026, 0, 1), '40000', 3],
  all_time: [0, '40000', 3],
  zone: 'Etc/UTC',
};

test('an approved purchase: every check passed, and the hold taken apart', () => {
  const explanation = explained({}, 4_250n, { mcc: '5812', merchantCurrency: 'EUR' });
  expect(explanation).toMatchObject({ result: 'approved', reason: null, approved: 4_250n, committedLate: false });
  expect(resultsOf(explanation)).toMatchObject({
    message: 'passed',
    partner: 'not_needed',
    funding: 'passed',
    in_time: 'passed',
  });
  expect(explanation.checks.map(({ check }) => check)).toEqual([...CHECKS]);
  expect(explanation.hold).toEqual({
    placed: true,
    amount: 4_250n,
    allowance: 850n,
    fee: 0n,
    total: 5_100n,
    conversionBufferBps: 50,
  });
  expect(explanation.legs).toMatchObject([{ kind: 'stablecoin_sale', asset: 'USDC', amountUsd: 5_100n }]);
  expect(explanation.prices.map(({ asset, state, ageSeconds }) => [asset, state, ageSeconds])).toEqual([
    ['EURC', 'fresh', 60],
    ['USDC', 'fresh', 60],
  ]);
  expect(wordsForCardholder(explanation)).toBe(
    '42.50 USD was approved. 51.00 USD is set aside, because the final bill can be higher here. You only pay the final bill. It is paid from your USDC.',
  );
  expect(wordsForSupport(explanation)).toContain('Held 51.00 USD = 42.50 + 8.50 allowance + 0.00 fee');
});

test('fees are a part of the hold of their own', () => {
  const policy = { ...DEFAULT_PROGRAM_POLICY, limits: {}, foreign_currency_fee_bps: 200 };
  const { hold } = explained({ policy }, 10_000n, { merchantCurrency: 'EUR' });
  expect(hold).toMatchObject({ amount: 10_000n, allowance: 0n, fee: 200n, total: 10_200n });
});

test('limits show what was used and what is left, the control that refused and what would have fitted', () => {
  const explanation = explained(
    {
      accountCounters: spent,
      card: { ...card, controls: { limits: { day_amount: '45000', day_count: 10 } }, counters: spent },
      funds: { USDC: 5_000_000_000n },
    },
    6_000n,
  );
  expect(explanation.reason).toBe('amount_limit_exceeded');
  expect(explanation.refusedBy).toMatchObject({ level: 'card', control: 'limits.day_amount' });
  expect(explanation.limits).toEqual([
    { level: 'card', control: 'limits.day_amount', unit: 'cents', limit: 45_000n, used: 40_000n, left: 5_000n },
    { level: 'card', control: 'limits.day_count', unit: 'purchases', limit: 10n, used: 3n, left: 7n },
  ]);
  expect(resultsOf(explanation)).toMatchObject({
    controls: 'passed',
    limits: 'failed',
    partner: 'not_reached',
    funding: 'not_reached',
    in_time: 'not_reached',
  });
  expect(explanation.hold).toMatchObject({ placed: false, total: 6_000n });
  expect(explanation.legs).toEqual([]);
  expect(wordsForCardholder(explanation)).toBe(
    'The purchase of 60.00 USD is above a spending limit of this card. You could still pay up to 50.00 USD here.',
  );
  expect(wordsForSupport(explanation)).toContain('a day is limited to 450.00; 400.00 used, 60.00 asked for');
  expect(wordsForSupport(explanation)).toContain('USDC: 60.00 of 4975.12 would have been used.');
});

test('what a control says of a card’s dates is told as a control, its state as the card’s', () => {
  const notYet = explained({ card: { ...card, controls: { valid_from: '2027-01-01T00:00:00Z' } } }, 100n);
  expect(notYet.reason).toBe('outside_validity');
  expect(resultsOf(notYet)).toMatchObject({ card: 'passed', controls: 'failed' });
  expect(resultsOf(explained({ card: { ...card, state: 'inactive' } }, 100n))).toMatchObject({
    card: 'failed',
    controls: 'not_reached',
  });
});

test('a shortfall names each source with why it gave no more', () => {
  const explanation = explained({ funds: { USDC: 20_000_000n } }, 4_250n, { mcc: '7011' });
  expect(explanation.reason).toBe('insufficient_funds');
  expect(explanation.options.map(({ asset, rejection }) => [asset, rejection])).toEqual([
    ['USDC', 'empty'],
    ['EURC', 'empty'],
  ]);
  expect(wordsForCardholder(explanation)).toContain('You could pay up to 17.30 USD here.');
  expect(wordsForSupport(explanation)).toContain('There is no more of it on the account.');
});

test('what the partner said is told to support in its words, and to the cardholder without them', () => {
  const partner = {
    decision: 'decline',
    source: 'partner',
    cause: 'answered',
    reason: 'internal risk list 7',
    requestId: 'q1',
    latencyMs: 41,
  } as const;
  const explanation = explained({}, 4_250n, { partner });
  expect(resultsOf(explanation)).toMatchObject({ limits: 'passed', partner: 'failed', funding: 'not_reached' });
  expect(wordsForSupport(explanation)).toContain('internal risk list 7');
  expect(wordsForCardholder(explanation)).not.toContain('risk list');
});

test('what a driver typed at the pump stays in the receipt', () => {
  const controls = { fleet: { allowed_driver_ids: ['4711'] } };
  const fleet = { driverId: 'JANE DOE', vehicleId: null, odometer: null, fuelVolumeMl: null, fuelType: null };
  const explanation = explained({ card: { ...card, controls } }, 4_250n, { mcc: '5541', fleet });
  expect(explanation).toMatchObject({
    reason: 'driver_id_invalid',
    refusedBy: { control: 'fleet.allowed_driver_ids', detail: 'the driver id sent is not among those allowed' },
  });
  const texts = [wordsForCardholder(explanation), wordsForSupport(explanation), JSON.stringify(explanation.checks)];
  expect(texts.join()).not.toContain('JANE');
});

test('late: taken back before it came, and committed too late', () => {
  const ended = explained({}, 4_250n, { endedBefore: true });
  expect(resultsOf(ended)).toMatchObject({ still_wanted: 'failed', funding: 'not_reached' });
  const late = explained({}, 4_250n, {}, true);
  expect(late).toMatchObject({ result: 'declined', reason: 'late', approved: 0n, legs: [], committedLate: true });
  expect(resultsOf(late)).toMatchObject({ funding: 'passed', in_time: 'failed' });
});

test.each([
  ['balance inquiry', { kind: 'balance_inquiry' as const }, 0n, 'how much you can spend: '],
  ['verification', { kind: 'zero_amount_verification' as const }, 0n, 'checked that your card works'],
  ['money that comes back', { kind: 'refund_authorization' as const }, 500n, 'comes back to you'],
])('a %s needs no limits and no funds', (_, asked, amount, words) => {
  const explanation = explained({}, amount, asked);
  expect(explanation).toMatchObject({ result: 'approved', hold: null });
  expect(resultsOf(explanation)).toMatchObject({ limits: 'not_needed', funding: 'not_needed' });
  expect(wordsForCardholder(explanation)).toContain(words);
});

test('prices that are not there any more are left out, the rest is explained', () => {
  const snapshot = snapshotOf({ prices: { USDC: priceOf('USDC', 100_000_000n) } });
  const request = requestOf(4_250n);
  const decision = decideAuthorization(snapshot, request, NOW);
  const subject = { authorizationId: 'id', contentHash: 'hash' };
  const input = { subject, snapshot, request, decision, now: NOW, marketHash: 'market' };
  const receipt = JSON.parse(receiptText(input)) as Receipt;
  const inputs = decisionInputsOf(receipt, { prices: {}, decimals: {} }, snapshot.policy);
  expect(explain(receipt, inputs, false)).toMatchObject({ result: 'approved', approved: 4_250n, prices: [] });
});

/** Words that only we, or the network, use. */
const JARGON =
  /\b(?:mcc|kyc|avs|cvc|hold|authori[sz]ation|decline|policy|program|bps|basis points|ledger|issuer|processor|snapshot|velocity|null|undefined|loan-to-value|stand-in|partner)\b|_/i;

test.each(DECLINE_REASONS.map((reason) => [reason]))(
  '%s has words for both, without jargon for the cardholder',
  (reason: DeclineReason) => {
    const explanation: Explanation = { ...explained({ funds: {} }, 4_250n), reason, result: 'declined' };
    const plain = wordsForCardholder(explanation);
    expect(plain).toMatch(/^[A-Z0-9].+\.$/);
    expect(plain.length).toBeLessThan(260);
    expect(plain.replace('on hold', '')).not.toMatch(JARGON);
    expect(wordsForSupport(explanation)).toContain(reason);
  },
);
