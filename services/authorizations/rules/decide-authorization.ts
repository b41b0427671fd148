import {
  type ControlRefusal,
  refuseByControls,
  rememberedFor,
  spendRoom,
  type UnsaidFact,
} from '../../cards/rules/evaluate-controls';
import type { FleetData } from '../../cards/rules/fleet-data';
import { countersNow, countIncrement, countPurchase, type LimitCounters } from '../../cards/rules/limit-counters';
import { type ConsideredOption, type PlannedLeg, planFunding } from '../../funding/rules/plan-funding';
import type { PartnerVerdict } from '../../partner-decisions/rules/partner-verdict';
import { maxBigint, minBigint, sumBigint } from '../../shared/money';
import type { DeclineReason } from './decline-reason';
import {
  amountBesideFeeOnTopRoundDown,
  amountBesideFeeRoundDown,
  feeOnTopRoundUp,
  feeRoundDown,
  feeTerms,
} from './fees';
import { amountForHoldRoundDown, holdExpiry, holdForAmountRoundUp } from './hold-amount';
import { controlsOf } from './snapshot-controls';
import type { CardSnapshot, SpendSnapshot } from './spend-snapshot';

/** Version of the rules in this file and those it calls; stored with every decision, so that it can be taken again. */
export const RULES_VERSION = '2026-11-6';

/** What is asked, without the vendor's wrapping. Amounts are cents of `currency`. */
export interface SpendRequest {
  readonly kind:
    | 'authorization'
    | 'balance_inquiry'
    | 'zero_amount_verification'
    | 'cash_withdrawal'
    | 'refund_authorization'
    /** The network went ahead: held as far as the account covers it, refused by nothing. */
    | 'advice'
    | 'other';
  readonly amount: bigint;
  readonly currency: string;
  readonly mcc: string;
  /** The network's id of the merchant, for lists of merchants. */
  readonly merchantId: string;
  readonly merchantCountry: string;
  /** Currency of the merchant's own amount; another than `currency` makes the purchase a foreign one. */
  readonly merchantCurrency: string;
  readonly channel: string;
  /** Part of `amount` that is handed out as cash. */
  readonly cashAmount: bigint;
  readonly fleet: FleetData | null;
  readonly partialApprovalAllowed: boolean;
  readonly avs: 'match' | 'postal_code_match' | 'address_match' | 'mismatch' | 'not_provided';
  readonly cvc: 'match' | 'mismatch' | 'not_provided';
  /** The network took this purchase back, or cleared it, before it asked for it: an approval would hold money for nothing. */
  readonly endedBefore: boolean;
  /** What the fintech decided itself; null when it is not asked. */
  readonly partner: PartnerVerdict | null;
  /** What a quote leaves open; a network's request leaves nothing open. */
  readonly unsaid?: readonly UnsaidFact[];
}

export interface Decision {
  readonly outcome: 'approved' | 'partially_approved' | 'declined';
  readonly reason: DeclineReason | null;
  /** The control that names the reason, where it was one. */
  readonly refusedBy: Omit<ControlRefusal, 'reason'> | null;
  /** Cents approved; 0 when declined. */
  readonly approvedAmount: bigint;
  /** Cents held: the worst case of what the clearing may come to, with its fee. */
  readonly holdAmount: bigint;
  /** Cents of the hold that are the program's fee. */
  readonly feeAmount: bigint;
  readonly legs: readonly PlannedLeg[];
  readonly options: readonly ConsideredOption[];
  /** Cents: the largest amount that would have been approved for this merchant and channel. */
  readonly largestAmount: bigint;
  /** Cents to show at a terminal; only for a balance inquiry. */
  readonly balance: bigint | null;
  readonly expiresAt: Date | null;
  /** Counters after this authorization, to be stored when it is approved with a hold. */
  readonly counters: { readonly account: LimitCounters; readonly card: LimitCounters | null } | null;
}

function refuseByStanding(
  snapshot: SpendSnapshot,
  card: CardSnapshot | null,
  request: SpendRequest,
  now: Date,
): DeclineReason | null {
  // Money that comes back is taken whatever became of the card, its holder or the program.
  if (request.kind === 'refund_authorization')
    return request.currency === snapshot.currency ? null : 'unsupported_currency';
  if (snapshot.programState !== 'active') return 'program_disabled';
  if (card?.productState === 'disabled') return 'product_disabled';
  if (request.currency !== snapshot.currency) return 'unsupported_currency';
  if (request.kind === 'other') return 'unsupported_transaction';
  if (snapshot.kycState !== 'approved') return 'kyc_not_valid';
  if (card) {
    if (card.state === 'closed') return 'card_closed';
    if (card.state === 'paused') return 'card_paused';
    if (card.state !== 'active') return 'card_not_active';
    if (cardExpired(card, now)) return 'card_expired';
  }
  if (snapshot.accountState === 'closed') return 'account_closed';
  if (snapshot.accountState === 'suspended') return 'account_suspended';
  if (snapshot.overdueAmount > 0n && request.kind !== 'balance_inquiry') return 'account_overdue';
  if (request.avs === 'mismatch' && snapshot.policy.decline_on_avs_mismatch) return 'avs_mismatch';
  if (request.cvc === 'mismatch' && snapshot.policy.decline_on_cvc_mismatch) return 'cvc_mismatch';
  return null;
}

/** A card is good through the last day of its month, UTC. */
function cardExpired(card: CardSnapshot, now: Date): boolean {
  if (card.expiryYear === null || card.expiryMonth === null) return false;
  return now.getTime() >= Date.UTC(card.expiryYear, card.expiryMonth, 1);
}

/** The most that the fintech said yes to, cents: what arrived since it was asked is not in it. Null: it did not decide. */
function agreedAmount({ partner }: SpendRequest): bigint | null {
  return partner?.askedAmount === undefined ? null : BigInt(partner.askedAmount);
}

/** Why a plan does not cover: a missing price or an unusable credit line is named only when it is the whole story. */
function shortfallReason(options: readonly ConsideredOption[], capacityUsd: bigint): DeclineReason {
  const first = options[0]?.rejection;
  if (capacityUsd > 0n || options.length !== 1) return 'insufficient_funds';
  if (first === 'price_unavailable') return 'price_unavailable';
  if (first === 'credit_disabled' || first === 'no_agreement') return 'credit_unavailable';
  return 'insufficient_funds';
}

/**
 * Decides one request against a snapshot. Pure: the same snapshot, request and time give the same answer, which is why
 * a quote is what an authorization will do. The first check that fails names the reason; the order is that of
 * `DECLINE_REASONS`.
 */
export function decideAuthorization(snapshot: SpendSnapshot, request: SpendRequest, now: Date): Decision {
  return decide(snapshot, request, now, { feesAddUp: snapshot.increment !== undefined, controlsAgain: true });
}

/** The rules of version 2026-11-4: no control on where, when and how the card is used looked at what came on top of a purchase. */
export function decideAsOf202611v4(snapshot: SpendSnapshot, request: SpendRequest, now: Date): Decision {
  return decide(snapshot, request, now, { feesAddUp: snapshot.increment !== undefined, controlsAgain: false });
}

/** The rules of version 2026-11-3: each increment had the ceilings per purchase of its sources anew. */
export function decideAsOf202611v3(snapshot: SpendSnapshot, request: SpendRequest, now: Date): Decision {
  return decideAsOf202611v4(withoutTaken(snapshot), request, now);
}

/** The rules of version 2026-11-2: the fee of an increment was rounded down, so that those of several fell short of the fee on their sum. */
export function decideAsOf202611v2(snapshot: SpendSnapshot, request: SpendRequest, now: Date): Decision {
  return decide(withoutTaken(snapshot), request, now, { feesAddUp: false, controlsAgain: false });
}

function withoutTaken({ takenBefore: _takenBefore, ...snapshot }: SpendSnapshot): SpendSnapshot {
  return snapshot;
}

/** Cash from a machine, or over a counter. Advices have told the latter's amount since they are asked about it at all. */
function isToldAsCash({ channel, amount, cashAmount }: SpendRequest): boolean {
  return channel === 'atm' || (amount > 0n && cashAmount === amount);
}

/** In what the versions of the rules differ. */
interface RulesAsOf {
  /** The fee of what comes on top is rounded up, so that the holds of parts carry the fee on their sum. */
  readonly feesAddUp: boolean;
  /** What comes on top of a purchase passes the controls once more that make sense for it. */
  readonly controlsAgain: boolean;
}

function decide(
  snapshot: SpendSnapshot,
  request: SpendRequest,
  now: Date,
  { feesAddUp, controlsAgain }: RulesAsOf,
): Decision {
  const { card, policy, timeZone, increment } = snapshot;
  const accountCounters = countersNow(snapshot.accountCounters, now, timeZone);
  const cardCounters = card ? countersNow(card.counters, now, timeZone) : null;
  const controls = controlsOf(snapshot, now);
  const room = spendRoom({
    controls,
    programLimits: policy.program_limits,
    spend: request,
    now,
    accountCounters,
    cardCounters,
    programUsage: snapshot.programUsage,
    approvedBefore: increment?.approvedBefore ?? null,
  });

  const terms = feeTerms(policy, {
    currency: request.currency,
    merchantCurrency: request.merchantCurrency,
    cashWithdrawal: request.kind === 'cash_withdrawal' || (request.kind === 'advice' && isToldAsCash(request)),
    cashAmount: request.cashAmount,
  });
  const holdWithFee = (amount: bigint) => {
    const purchase = holdForAmountRoundUp(amount, request.mcc, policy);
    const feeAmount = feesAddUp ? feeOnTopRoundUp(terms, purchase) : feeRoundDown(terms, purchase);
    return { holdAmount: purchase + feeAmount, feeAmount };
  };
  const { holdAmount } = holdWithFee(request.amount);
  const plan = planFunding(snapshot, holdAmount, policy.conversion_buffer_bps, now);
  const fundable = feesAddUp
    ? amountBesideFeeOnTopRoundDown(terms, plan.capacityUsd)
    : amountBesideFeeRoundDown(terms, plan.capacityUsd);
  const withinLimits = amountForHoldRoundDown(fundable, request.mcc, policy, room.amount);

  const standing = refuseByStanding(snapshot, card, request, now);
  const use =
    standing === null && (!increment || (controlsAgain && request.kind !== 'advice'))
      ? refuseByControls({ controls, spend: request, now, timeZone, cardCounters, onTopOf: increment ?? null })
      : null;
  const largestAmount = standing !== null || use !== null ? 0n : withinLimits;
  const { options } = plan;
  const declined = (reason: DeclineReason, refusedBy: Decision['refusedBy'] = null): Decision => ({
    outcome: 'declined',
    reason,
    refusedBy,
    approvedAmount: 0n,
    holdAmount: 0n,
    feeAmount: 0n,
    legs: [],
    options,
    largestAmount,
    balance: null,
    expiresAt: null,
    counters: null,
  });
  const refused = ({ reason, level, control, detail }: ControlRefusal): Decision =>
    declined(reason, { level, control, detail });
  const withoutHold = (approvedAmount: bigint, largest: bigint, balance: bigint | null): Decision => ({
    outcome: 'approved',
    reason: null,
    refusedBy: null,
    approvedAmount,
    holdAmount: 0n,
    feeAmount: 0n,
    legs: [],
    options,
    largestAmount: largest,
    balance,
    expiresAt: null,
    counters: null,
  });

  const counted = (counters: LimitCounters, scope: 'account' | 'card', amount: bigint): LimitCounters => {
    const { mcc, merchantId } = request;
    const remembered = rememberedFor(scope, controls, request);
    const purchase = { at: increment?.since ?? snapshot.begunAt ?? now, countedAt: now, mcc, merchantId };
    return increment
      ? countIncrement(counters, purchase, amount, remembered.velocity)
      : countPurchase(counters, purchase, amount, remembered);
  };
  const approve = (outcome: 'approved' | 'partially_approved', approvedAmount: bigint): Decision => {
    const hold = holdWithFee(approvedAmount);
    const funding =
      outcome === 'approved' ? plan : planFunding(snapshot, hold.holdAmount, policy.conversion_buffer_bps, now);
    return {
      outcome,
      reason: null,
      refusedBy: null,
      approvedAmount,
      holdAmount: hold.holdAmount,
      feeAmount: hold.feeAmount,
      legs: funding.legs,
      options: funding.options,
      largestAmount,
      balance: null,
      expiresAt: holdExpiry(now, request.mcc, policy),
      counters: {
        account: counted(accountCounters, 'account', approvedAmount),
        card: cardCounters && counted(cardCounters, 'card', approvedAmount),
      },
    };
  };

  if (request.kind === 'advice') {
    const told = approve('approved', request.amount);
    const covered = sumBigint(told.legs.map((leg) => leg.amountUsd));
    const uncovered = told.holdAmount - covered;
    return { ...told, holdAmount: covered, feeAmount: maxBigint(told.feeAmount - uncovered, 0n) };
  }
  if (standing !== null) return declined(standing);
  if (use !== null) return refused(use);
  if (request.kind === 'refund_authorization') return withoutHold(request.amount, request.amount, null);
  if (request.kind === 'balance_inquiry') return withoutHold(0n, largestAmount, largestAmount);
  if (request.amount === 0n) return withoutHold(0n, largestAmount, null);
  const partial = request.partialApprovalAllowed && policy.partial_approvals;
  if (room.refusal !== null && (!partial || room.amount === 0n)) return refused(room.refusal);
  if (request.partner?.decision === 'decline') return declined('partner_declined');

  if (request.endedBefore && largestAmount > 0n) return declined('late');
  const approvable = minBigint(largestAmount, agreedAmount(request) ?? largestAmount);
  // A status check holds more than a larger purchase would: it needs the plan to cover, not only a fitting amount.
  if (request.amount <= approvable && plan.covered) return approve('approved', request.amount);
  if (partial && approvable > 0n && approvable < request.amount) return approve('partially_approved', approvable);
  if (room.refusal !== null) return refused(room.refusal);
  return declined(shortfallReason(plan.options, plan.capacityUsd));
}
