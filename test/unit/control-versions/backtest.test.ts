import fc from 'fast-check';
import { decideAuthorization } from '../../../services/authorizations/rules/decide-authorization';
import {
  countAuthorization,
  countersNow,
  countersToStored,
  giveBack,
  type StoredLimitCounters,
} from '../../../services/cards/rules/limit-counters';
import type { SpendControls } from '../../../services/cards/rules/spend-controls';
import {
  type Correction,
  EMPTY_BACKTEST,
  type Replay,
  replayCorrection,
  replayDecision,
  type StoredDecision,
} from '../../../services/control-versions/rules/backtest';
import type { ControlDocument, ControlScope } from '../../../services/control-versions/rules/control-scope';
import { DEFAULT_PROGRAM_POLICY, type ProgramPolicy } from '../../../services/programs/rules/program-policy';
import { minBigint } from '../../../services/shared/money';
import { NOW, priceOf, requestOf, snapshotOf } from '../../builders/snapshots';

const MINUTE_MS = 60_000;
const CARD: ControlScope = { kind: 'card', id: 'card' };
const POLICY: ProgramPolicy = { ...DEFAULT_PROGRAM_POLICY, limits: {} };

interface Purchase {
  readonly kind: 'purchase';
  readonly at: Date;
  readonly amount: bigint;
  readonly mcc: string;
  readonly merchantId: string;
  /** A part of it will do. */
  readonly partial?: boolean;
}

/** `of` counts the purchases from 0. */
interface Reversal {
  readonly kind: 'reversal';
  readonly at: Date;
  readonly of: number;
  readonly amount: bigint;
}

type Message = Purchase | Reversal;

interface Documents {
  readonly policy: ProgramPolicy;
  readonly account: SpendControls;
  readonly card: SpendControls;
  /** What the program was summed to have spent, all the time. */
  readonly usage?: StoredLimitCounters;
}

interface Run {
  readonly history: readonly (StoredDecision | Correction)[];
  /** Cents, by purchase. */
  readonly approved: readonly bigint[];
}

/**
 * Lives through messages under documents, as the authorizer and the network's messages would. `known`: what was approved
 * in the history that really happened, where this one is another: a declined purchase is never reversed.
 */
function live(messages: readonly Message[], documents: Documents, known: readonly bigint[] | null = null): Run {
  let account: StoredLimitCounters | null = null;
  let card: StoredLimitCounters | null = null;
  const approved: bigint[] = [];
  const counted: bigint[] = [];
  const programUsage = documents.usage ?? null;
  const purchases: Purchase[] = [];
  const history: (StoredDecision | Correction)[] = [];
  for (const message of messages) {
    if (message.kind === 'purchase') {
      const { at: now, amount, mcc, merchantId } = message;
      const base = snapshotOf();
      const snapshot = {
        ...base,
        policy: documents.policy,
        accountControls: documents.account,
        accountCounters: account,
        programUsage,
        prices: { USDC: priceOf('USDC', 100_000_000n, { observedAt: now }) },
        card: base.card && { ...base.card, controls: documents.card, counters: card },
      };
      const request = requestOf(amount, { mcc, merchantId, partialApprovalAllowed: message.partial === true });
      const decision = decideAuthorization(snapshot, request, now);
      history.push({
        authorizationId: `authorization-${purchases.length}`,
        accountId: snapshot.accountId,
        cardId: 'card',
        decidedAt: now,
        mcc,
        merchantId,
        requestedAmount: amount,
        countedAmount: decision.approvedAmount,
        outcome: {
          result: decision.outcome,
          approved: decision.approvedAmount.toString(),
          ...(decision.reason === null ? {} : { reason: decision.reason }),
        },
        inputs: { snapshot, request, now },
      });
      if (decision.counters !== null) {
        account = countersToStored(decision.counters.account);
        card = decision.counters.card && countersToStored(decision.counters.card);
      }
      purchases.push(message);
      approved.push(decision.approvedAmount);
      counted.push(decision.approvedAmount);
      continue;
    }
    const purchase = purchases[message.of];
    const before = counted[message.of] ?? 0n;
    if (purchase === undefined || before === 0n || known?.[message.of] === 0n) continue;
    const after = before - minBigint(before, message.amount);
    counted[message.of] = after;
    const given = { amount: before - after, counted: before, wholly: after === 0n };
    const back = (stored: StoredLimitCounters | null) =>
      stored && countersToStored(giveBack(countersNow(stored, message.at, 'Etc/UTC'), purchase, given));
    account = back(account);
    card = back(card);
    history.push({
      authorizationId: `authorization-${message.of}`,
      accountId: 'account',
      cardId: 'card',
      at: message.at,
      purchase,
      approved: approved[message.of] ?? 0n,
      countedBefore: before,
      countedAfter: after,
      isOneMore: false,
      opened: null,
    });
  }
  return { history, approved };
}

function backtest(history: Run['history'], scope: ControlScope, document: ControlDocument): Replay {
  const replay: Replay = { scope, document, counters: new Map(), changes: new Map(), result: EMPTY_BACKTEST };
  for (const item of history) {
    if ('outcome' in item) replayDecision(replay, item);
    else replayCorrection(replay, item);
  }
  return replay;
}

function purchaseAt(minutes: number, amount: bigint, mcc = '5411', merchantId = 'shop'): Purchase {
  return { kind: 'purchase', at: new Date(NOW.getTime() + minutes * MINUTE_MS), amount, mcc, merchantId };
}

function reversalAt(minutes: number, of: number, amount: bigint): Reversal {
  return { kind: 'reversal', at: new Date(NOW.getTime() + minutes * MINUTE_MS), of, amount };
}

const NO_CONTROLS: Documents = { policy: POLICY, account: {}, card: {} };

describe('a backtest', () => {
  it('counts limits along the history that the draft makes, not along the one that was', () => {
    const { history } = live([purchaseAt(0, 6_000n), purchaseAt(1, 5_000n), purchaseAt(2, 4_000n)], NO_CONTROLS);
    const { result } = backtest(history, CARD, { limits: { day_amount: '10000' } });
    // 60.00 fits; 50.00 does not; 40.00 fits again, because the 50.00 was never spent.
    expect(result.samples.approved_to_declined).toEqual(['authorization-1']);
    expect(result).toMatchObject({
      replayed: 3,
      stored: { approved: { count: 3, amount: '15000' }, declined: { count: 0 } },
      draft: { approved: { count: 2, amount: '10000' }, declined: { count: 1, amount: '5000' } },
      approved_to_declined: { count: 1, amount: '5000' },
      newly_declined_by_reason: { amount_limit_exceeded: { count: 1, amount: '5000' } },
      by_merchant_group: { other: { approved_to_declined: { count: 1, amount: '5000' } } },
      by_day: { '2026-11-21': { approved_to_declined: { count: 1, amount: '5000' } } },
    });
  });

  it('counts what was spent before the period as it was', () => {
    const { history } = live([purchaseAt(0, 8_000n), purchaseAt(1, 1_500n), purchaseAt(2, 1_500n)], NO_CONTROLS);
    const { result } = backtest(history.slice(1), CARD, { limits: { day_amount: '10000' } });
    expect(result.samples.approved_to_declined).toEqual(['authorization-2']);
  });

  it('shows what a looser document would have let through, and what that would have used up', () => {
    const strict: Documents = {
      ...NO_CONTROLS,
      card: { limits: { per_transaction_amount: '3000', day_amount: '9000' } },
    };
    const { history } = live([purchaseAt(0, 7_000n), purchaseAt(1, 2_500n)], strict);
    const { result } = backtest(history, CARD, { limits: { day_amount: '9000' } });
    expect(result).toMatchObject({
      declined_to_approved: { count: 1, amount: '7000' },
      approved_to_declined: { count: 1, amount: '2500' },
      newly_approved_by_reason: { amount_limit_exceeded: { count: 1, amount: '7000' } },
    });
  });

  it('gives back what was reversed, but not what the draft had declined', () => {
    const messages = [
      purchaseAt(0, 9_000n),
      purchaseAt(1, 4_000n),
      reversalAt(2, 1, 4_000n),
      purchaseAt(3, 1_000n),
      reversalAt(4, 0, 9_000n),
      purchaseAt(5, 9_000n),
    ];
    const { history } = live(messages, NO_CONTROLS);
    const { result } = backtest(history, CARD, { limits: { day_amount: '10000' } });
    expect(result.samples.approved_to_declined).toEqual(['authorization-1']);
  });

  it('replays velocity', () => {
    const { history } = live(
      [purchaseAt(0, 100n), purchaseAt(1, 100n), purchaseAt(30, 100n), purchaseAt(61, 100n)],
      NO_CONTROLS,
    );
    const { result } = backtest(history, CARD, {
      velocity: [{ window_seconds: 3_600, max_count: 1, per: 'card' }],
    });
    expect(result.samples.approved_to_declined).toEqual(['authorization-1', 'authorization-2']);
    expect(result.newly_declined_by_reason).toEqual({ velocity_exceeded: { count: 2, amount: '200' } });
  });

  it("counts a program's caps over all of its accounts", () => {
    const one = live([purchaseAt(0, 6_000n), purchaseAt(2, 3_000n)], NO_CONTROLS).history;
    const other = live([purchaseAt(1, 3_000n), purchaseAt(3, 900n)], NO_CONTROLS).history.map((item) =>
      'outcome' in item && !('missing' in item.inputs)
        ? {
            ...item,
            authorizationId: `other-${item.authorizationId}`,
            accountId: 'other',
            inputs: { ...item.inputs, snapshot: { ...item.inputs.snapshot, accountId: 'other' } },
          }
        : item,
    );
    const history = [one[0], other[0], one[1], other[1]].filter((item) => item !== undefined);
    const document: ProgramPolicy = {
      ...POLICY,
      program_limits: { day_amount: '10000', headroom_bps: 0, time_zone: 'Etc/UTC' },
    };
    const { result } = backtest(history, { kind: 'program', id: 'program' }, document);
    expect(result.samples.approved_to_declined).toEqual(['authorization-1']);
    expect(result.newly_declined_by_reason).toEqual({ program_limit_exceeded: { count: 1, amount: '3000' } });
  });

  it('says what could not be taken again, lets it stand and counts it', () => {
    const { history } = live([purchaseAt(0, 1_000n), purchaseAt(1, 6_000n), purchaseAt(2, 6_000n)], NO_CONTROLS);
    const damaged = history.map((item, index) => {
      if (!('outcome' in item)) return item;
      if (index === 1) return { ...item, inputs: { missing: 'inputs_missing' as const } };
      return item;
    });
    const { result } = backtest(damaged, CARD, { limits: { day_amount: '10000' } });
    expect(result.not_replayed).toEqual({ inputs_missing: 1 });
    expect(result.replayed).toBe(2);
    expect(result.samples.approved_to_declined).toEqual(['authorization-2']);
  });

  const REMEMBERING: [string, SpendControls, Message[]][] = [
    [
      'velocity',
      { velocity: [{ window_seconds: 3_600, max_count: 1, per: 'card' }] },
      [purchaseAt(0, 100n), purchaseAt(120, 100n), purchaseAt(121, 100n)],
    ],
    [
      'a merchant lock',
      { merchant_lock: 'first_use' },
      [purchaseAt(0, 1_000_000n), purchaseAt(120, 100n), purchaseAt(121, 100n, '5411', 'inn')],
    ],
  ];

  it.each(REMEMBERING)(
    'flips nothing that was decided on what cannot be taken again: %s',
    (_name, controls, messages) => {
      const { history } = live(messages, { ...NO_CONTROLS, card: controls });
      const damaged = history.map((item, index) =>
        index === 1 ? { ...item, inputs: { missing: 'inputs_missing' as const } } : item,
      );
      const { result } = backtest(damaged, CARD, controls);
      expect(result).toMatchObject({
        replayed: 2,
        declined_to_approved: { count: 0 },
        approved_to_declined: { count: 0 },
        not_replayed: { inputs_missing: 1 },
      });
    },
  );

  it.each(REMEMBERING)('remembers for the draft what cannot be taken again: %s', (_name, controls, messages) => {
    const { history } = live(messages, NO_CONTROLS);
    const damaged = history.map((item, index) =>
      index === 1 ? { ...item, inputs: { missing: 'inputs_missing' as const } } : item,
    );
    const { result } = backtest(damaged, CARD, controls);
    expect(result.samples.approved_to_declined).toEqual(['authorization-2']);
  });

  it('gives all of it back where a partial approval that the draft makes whole is reversed', () => {
    const stored: Documents = {
      ...NO_CONTROLS,
      policy: { ...POLICY, partial_approvals: true },
      card: { limits: { per_transaction_amount: '6000' } },
    };
    const messages = [
      { ...purchaseAt(0, 10_000n), partial: true },
      reversalAt(1, 0, 6_000n),
      purchaseAt(2, 6_000n),
      purchaseAt(3, 4_000n),
      purchaseAt(4, 1n),
    ];
    const { history, approved } = live(messages, stored);
    expect(approved).toEqual([6_000n, 6_000n, 4_000n, 1n]);
    const { result } = backtest(history, CARD, { limits: { day_amount: '10000' } });
    expect(result.amount_changed).toEqual({ count: 1, amount: '10000' });
    expect(result.samples.approved_to_declined).toEqual(['authorization-3']);
  });

  it('takes what the receipt says was counted, whatever the history tells, and the difference that the draft makes', () => {
    const { history } = live([purchaseAt(0, 3_000n), purchaseAt(1, 3_000n), purchaseAt(2, 3_000n)], NO_CONTROLS);
    // The first is in the receipts of the others, and not in the history.
    const shortened = history.slice(1).map((item) => item);
    const last = shortened[1];
    if (last === undefined || !('outcome' in last) || 'missing' in last.inputs) throw new Error('no receipt');
    const { snapshot } = last.inputs;
    const seen = countersToStored(
      countAuthorization(countersNow(snapshot.accountCounters, last.decidedAt, 'Etc/UTC'), 2_000n),
    );
    shortened[1] = { ...last, inputs: { ...last.inputs, snapshot: { ...snapshot, accountCounters: seen } } };
    const tried = (day_amount: string) =>
      backtest(shortened, { kind: 'account', id: 'account' }, { limits: { day_amount } }).result.samples;
    expect(tried('11000').approved_to_declined).toEqual([]);
    expect(tried('10999').approved_to_declined).toEqual(['authorization-2']);
    // What the draft declined is not in what it sees: 20.00 that nobody told of, and the last.
    expect(tried('5000').approved_to_declined).toEqual(['authorization-1', 'authorization-2']);
    expect(tried('5999').approved_to_declined).toEqual(['authorization-1', 'authorization-2']);
  });

  it("counts a card's sisters along, and tells of the card only", () => {
    const account: SpendControls = { limits: { day_amount: '10000' } };
    const { history } = live([purchaseAt(0, 3_000n), purchaseAt(1, 6_000n), purchaseAt(2, 4_000n)], {
      ...NO_CONTROLS,
      account,
    });
    const withSister = history.map((item, index) => {
      if (index !== 1 || !('outcome' in item) || 'missing' in item.inputs) return item;
      const { snapshot } = item.inputs;
      const card = snapshot.card && { ...snapshot.card, id: 'sister' };
      return { ...item, cardId: 'sister', inputs: { ...item.inputs, snapshot: { ...snapshot, card } } };
    });
    const same = backtest(withSister, CARD, {}).result;
    expect(same).toMatchObject({ replayed: 2, declined_to_approved: { count: 0 }, approved_to_declined: { count: 0 } });
    // Without the first, the third fits beside what the sister spent.
    const { result } = backtest(withSister, CARD, { limits: { per_transaction_amount: '4000' }, blocked_mccs: [] });
    expect(result.declined_to_approved.count).toBe(0);
    const less = backtest(withSister, CARD, {
      velocity: [{ window_seconds: 60, max_count: 5, max_amount: '2999', per: 'card' }],
    });
    expect(less.result.samples.approved_to_declined).toEqual(['authorization-0']);
  });

  it('counts what opens an ended purchase again as one more', () => {
    const account: SpendControls = { limits: { day_count: 1 } };
    const messages = [purchaseAt(0, 1_000n), reversalAt(1, 0, 1_000n), purchaseAt(3, 100n)];
    const { history } = live(messages, NO_CONTROLS);
    const reversal = history[1];
    if (reversal === undefined || 'outcome' in reversal) throw new Error('no reversal');
    const at = new Date(NOW.getTime() + 2 * MINUTE_MS);
    const opened = { ...reversal, at, countedBefore: 0n, countedAfter: 700n, isOneMore: true };
    const told = history.flatMap((item) => (item === reversal ? [item, opened] : [item]));
    const last = told[3];
    if (last === undefined || !('outcome' in last)) throw new Error('no decision');
    told[3] = { ...last, inputs: { missing: 'inputs_missing' } };
    const counters = backtest(told.slice(0, 3), { kind: 'account', id: 'account' }, account).counters.get('account');
    expect(countersNow(counters?.drafted ?? null, at, 'Etc/UTC').day).toMatchObject({ amount: 700n, count: 1 });
    expect(countersNow(counters?.happened ?? null, at, 'Etc/UTC').day).toMatchObject({ amount: 700n, count: 1 });
    const blocked = backtest(told.slice(0, 3), { kind: 'account', id: 'account' }, { blocked_channels: ['chip'] });
    expect(countersNow(blocked.counters.get('account')?.drafted ?? null, at, 'Etc/UTC').day).toMatchObject({
      amount: 0n,
      count: 0,
    });
  });

  it('gives back what was opened again, once nothing of that is left, and not what it counted as before', () => {
    const { history } = live([purchaseAt(0, 1_000n), reversalAt(1, 0, 400n)], NO_CONTROLS);
    const reversal = history[1];
    if (reversal === undefined || 'outcome' in reversal) throw new Error('no reversal');
    const minute = (minutes: number) => new Date(NOW.getTime() + minutes * MINUTE_MS);
    const opening = { ...reversal, at: minute(2), countedBefore: 600n, countedAfter: 900n, isOneMore: true };
    const opened = { at: minute(2), counted: 600n };
    const part = { ...reversal, at: minute(3), countedBefore: 900n, countedAfter: 700n, opened };
    const rest = { ...reversal, at: minute(4), countedBefore: 700n, countedAfter: 600n, opened };
    const scope = { kind: 'account', id: 'account' } as const;
    const day = (told: Run['history']) => {
      const counters = backtest(told, scope, {}).counters.get('account');
      return countersNow(counters?.drafted ?? null, minute(5), 'Etc/UTC').day;
    };
    expect(day([...history, opening])).toMatchObject({ amount: 900n, count: 2 });
    expect(day([...history, opening, part])).toMatchObject({ amount: 700n, count: 2 });
    expect(day([...history, opening, part, rest])).toMatchObject({ amount: 600n, count: 1 });
  });

  it('takes what was summed of a program, and the difference that the draft makes', () => {
    const program_limits = { day_amount: '10000', headroom_bps: 0, time_zone: 'Etc/UTC' };
    const policy: ProgramPolicy = { ...POLICY, program_limits };
    const summed = countersToStored(countAuthorization(countersNow(null, NOW, 'Etc/UTC'), 1_000n));
    const usage = { ...summed, at: NOW.getTime() };
    // Within the time between two sums: 60.00 and 60.00 pass a cap of 100.00.
    const { history, approved } = live([purchaseAt(0.001, 6_000n), purchaseAt(0.002, 6_000n)], {
      ...NO_CONTROLS,
      policy,
      usage,
    });
    expect(approved).toEqual([6_000n, 6_000n]);
    const under = (document: ProgramPolicy) => backtest(history, { kind: 'program', id: 'program' }, document).result;
    expect(under(policy)).toMatchObject({ replayed: 2, approved_to_declined: { count: 0 } });
    // A cap that was not summed before is counted from the first of the period on.
    const counts = { ...policy, program_limits: { ...program_limits, week_count: 2 } };
    expect(under(counts).samples.approved_to_declined).toEqual(['authorization-1']);
    // What only the draft approves is spent on top of what was summed: 10.00 and 60.00 leave 30.00.
    const strict = { ...policy, limits: { per_transaction_amount: '5000' } };
    const later = [purchaseAt(0.001, 6_000n), purchaseAt(0.002, 3_001n), purchaseAt(0.003, 3_000n)];
    const declined = live(later, { ...NO_CONTROLS, policy: strict, usage });
    expect(declined.approved).toEqual([0n, 3_001n, 3_000n]);
    const { result } = backtest(declined.history, { kind: 'program', id: 'program' }, policy);
    expect(result.samples).toMatchObject({
      declined_to_approved: ['authorization-0'],
      approved_to_declined: ['authorization-1'],
    });
  });

  it('does not blame the draft for what the rules of today answer otherwise', () => {
    const { history } = live([purchaseAt(0, 6_000n)], NO_CONTROLS);
    const otherwise = history.map((item) =>
      'outcome' in item
        ? {
            ...item,
            countedAmount: 0n,
            outcome: { result: 'declined' as const, approved: '0', reason: 'mcc_blocked' as const },
          }
        : item,
    );
    const { result } = backtest(otherwise, CARD, {});
    expect(result).toMatchObject({
      replayed: 0,
      not_replayed: { rules_changed: 1 },
      declined_to_approved: { count: 0 },
    });
  });

  it('keeps a bounded number of samples', () => {
    const many = Array.from({ length: 120 }, (_each, index) => purchaseAt(index, 100n));
    const { result } = backtest(live(many, NO_CONTROLS).history, CARD, { blocked_channels: ['chip'] });
    expect(result.approved_to_declined.count).toBe(120);
    expect(result.samples.approved_to_declined).toHaveLength(50);
  });
});

const amount = fc.integer({ min: 100, max: 4_000 }).map(BigInt);
const limitText = fc.integer({ min: 500, max: 12_000 }).map(String);
const limiting = fc.record(
  {
    limits: fc.record(
      {
        per_transaction_amount: limitText,
        day_amount: limitText,
        week_amount: limitText,
        day_count: fc.integer({ min: 1, max: 6 }),
      },
      { requiredKeys: [] },
    ),
    velocity: fc.array(
      fc.record({
        window_seconds: fc.constantFrom(3_600, 7_200),
        max_count: fc.integer({ min: 1, max: 4 }),
        max_amount: limitText,
        per: fc.constantFrom('card' as const, 'account' as const),
      }),
      { maxLength: 1 },
    ),
    merchant_lock: fc.constant('first_use' as const),
    single_use: fc.constant(true),
  },
  { requiredKeys: ['limits'] },
) as fc.Arbitrary<SpendControls>;

const message = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('purchase' as const),
      amount,
      mcc: fc.constantFrom('5411', '5812', '5541'),
      merchantId: fc.constantFrom('shop', 'inn'),
      after: fc.integer({ min: 1, max: 400 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('reversal' as const),
      of: fc.integer({ min: 0, max: 15 }),
      amount,
      after: fc.integer({ min: 1, max: 400 }),
    }),
  },
);

const history = fc.array(message, { minLength: 1, maxLength: 24 }).map((steps): readonly Message[] => {
  let at = NOW.getTime();
  return steps.map(({ after, ...step }) => {
    at += after * MINUTE_MS;
    return { ...step, at: new Date(at) };
  });
});

describe('any history under any draft', () => {
  it.each<[ControlScope['kind'], (documents: Documents, draft: SpendControls) => [Documents, ControlDocument]]>([
    ['card', (documents, draft) => [{ ...documents, card: draft }, draft]],
    ['account', (documents, draft) => [{ ...documents, account: draft }, draft]],
    [
      'program',
      (documents, draft) => {
        const policy = { ...POLICY, limits: draft.limits ?? {}, controls: draft };
        return [{ ...documents, policy }, policy];
      },
    ],
  ])('is what would have happened: %s', (kind, under) => {
    fc.assert(
      fc.property(history, limiting, limiting, (messages, stored, draft) => {
        const documents: Documents = { ...NO_CONTROLS, card: stored };
        const happened = live(messages, documents);
        const [drafted, document] = under(documents, draft);
        const wouldHave = live(messages, drafted, happened.approved);
        const { changes, result } = backtest(happened.history, { kind, id: kind }, document);
        const expected = wouldHave.approved.flatMap((cents, index) =>
          cents === happened.approved[index] ? [] : [[`authorization-${index}`, cents]],
        );
        expect([...changes]).toEqual(expected);
        expect(result.replayed).toBe(happened.approved.length);
        expect(result.not_replayed).toEqual({});
      }),
      { numRuns: 150 },
    );
  });
});
