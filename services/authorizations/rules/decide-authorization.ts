import type { FleetData } from '../../cards/rules/fleet-data';
import { countAuthorization, countersNow, type LimitCounters } from '../../cards/rules/limit-counters';
import { windowStarts } from '../../cards/rules/limit-windows';
import { limitRoom, narrowerRoom, refuseByMerchant } from '../../cards/rules/spend-controls';
import { type ConsideredOption, type PlannedLeg, planFunding } from '../../funding/rules/plan-funding';
import type { PartnerVerdict } from '../../partner-decisions/rules/partner-verdict';
import type { DeclineReason } from './decline-reason';
import { amountBesideFeeRoundDown, feeRoundDown, feeTerms } from './fees';
import { amountForHoldRoundDown, holdExpiry, holdForAmountRoundUp } from './hold-amount';
import type { CardSnapshot, SpendSnapshot } from './spend-snapshot';

/** Version of the rules in this file and those it calls; stored with every decision, so that it can be taken again. */
export const RULES_VERSION = '2026-11-1';

/** What is asked, without the vendor's wrapping. Amounts are cents of `currency`. */
export interface SpendRequest {
  readonly kind:
    | 'authorization'
    | 'balance_inquiry'
    | 'zero_amount_verification'
    | 'cash_withdrawal'
    | 'refund_authorization'
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
}

export interface Decision {
  readonly outcome: 'approved' | 'partially_approved' | 'declined';
  readonly reason: DeclineReason | null;
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
  return refuseByMerchant(request, snapshot.policy, card?.controls ?? {});
}

/** A card is good through the last day of its month, UTC. */
function cardExpired(card: CardSnapshot, now: Date): boolean {
  if (card.expiryYear === null || card.expiryMonth === null) return false;
  return now.getTime() >= Date.UTC(card.expiryYear, card.expiryMonth, 1);
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
  const { card, policy } = snapshot;
  const starts = windowStarts(now, snapshot.timeZone);
  const accountCounters = countersNow(snapshot.accountCounters, starts);
  const cardCounters = card ? countersNow(card.counters, starts) : null;
  const accountRoom = limitRoom(policy.limits, accountCounters);
  const room =
    card && cardCounters ? narrowerRoom(accountRoom, limitRoom(card.controls.limits ?? {}, cardCounters)) : accountRoom;

  const terms = feeTerms(policy, {
    currency: request.currency,
    merchantCurrency: request.merchantCurrency,
    cashWithdrawal: request.kind === 'cash_withdrawal',
    cashAmount: request.cashAmount,
  });
  const holdWithFee = (amount: bigint) => {
    const purchase = holdForAmountRoundUp(amount, request.mcc, policy);
    const feeAmount = feeRoundDown(terms, purchase);
    return { holdAmount: purchase + feeAmount, feeAmount };
  };
  const { holdAmount } = holdWithFee(request.amount);
  const plan = planFunding(snapshot, holdAmount, policy.conversion_buffer_bps, now);
  const fundable = amountBesideFeeRoundDown(terms, plan.capacityUsd);
  const withinLimits = amountForHoldRoundDown(fundable, request.mcc, policy, room.amount);

  const standing = refuseByStanding(snapshot, card, request, now);
  const largestAmount = standing !== null || !room.countAllowed ? 0n : withinLimits;
  const base = { options: plan.options, largestAmount, balance: null, legs: [], counters: null };
  const declined = (reason: DeclineReason): Decision => ({
    ...base,
    outcome: 'declined',
    reason,
    approvedAmount: 0n,
    holdAmount: 0n,
    feeAmount: 0n,
    expiresAt: null,
  });

  if (standing !== null) return declined(standing);
  const withoutHold = {
    ...base,
    outcome: 'approved',
    reason: null,
    holdAmount: 0n,
    feeAmount: 0n,
    expiresAt: null,
  } as const;
  if (request.kind === 'refund_authorization')
    return { ...withoutHold, largestAmount: request.amount, approvedAmount: request.amount };
  if (request.kind === 'balance_inquiry' || request.amount === 0n) {
    const balance = request.kind === 'balance_inquiry' ? largestAmount : null;
    return { ...withoutHold, approvedAmount: 0n, balance };
  }
  if (!room.countAllowed) return declined('count_limit_exceeded');
  if (request.partner?.decision === 'decline') return declined('partner_declined');

  const approve = (outcome: 'approved' | 'partially_approved', approvedAmount: bigint): Decision => {
    const hold = holdWithFee(approvedAmount);
    const { legs, options } =
      outcome === 'approved' ? plan : planFunding(snapshot, hold.holdAmount, policy.conversion_buffer_bps, now);
    return {
      outcome,
      reason: null,
      approvedAmount,
      ...hold,
      legs,
      options,
      largestAmount,
      balance: null,
      expiresAt: holdExpiry(now, request.mcc, policy),
      counters: {
        account: countAuthorization(accountCounters, approvedAmount),
        card: cardCounters ? countAuthorization(cardCounters, approvedAmount) : null,
      },
    };
  };

  if (request.endedBefore && largestAmount > 0n) return declined('late');
  // A status check holds more than a larger purchase would: it needs the plan to cover, not only a fitting amount.
  if (request.amount <= largestAmount && plan.covered) return approve('approved', request.amount);
  if (
    request.partialApprovalAllowed &&
    policy.partial_approvals &&
    largestAmount > 0n &&
    largestAmount < request.amount
  )
    return approve('partially_approved', largestAmount);
  if (room.amount !== null && request.amount > room.amount) return declined('amount_limit_exceeded');
  return declined(shortfallReason(plan.options, plan.capacityUsd));
}
