import type { RoomInput } from '../../cards/rules/evaluate-controls';
import { countersNow } from '../../cards/rules/limit-counters';
import { type LimitFigure, limitFigures } from '../../cards/rules/limit-figures';
import { type PriceState, priceState } from '../../credit/rules/price-state';
import type { ConsideredOption, PlannedLeg } from '../../funding/rules/plan-funding';
import type { PartnerVerdict } from '../../partner-decisions/rules/partner-verdict';
import { formatDecimal } from '../../shared/money';
import { isAboutAmount } from './amendment';
import { amendmentOfReceipt, timesOfReceipt, totalOfReceipt } from './amendment-receipt';
import { type Lateness, latenessOf } from './answer-without-plan';
import type { DeclineReason } from './decline-reason';
import { feeOnTopRoundUp, feeRoundDown, feeTerms } from './fees';
import { holdForAmountRoundUp } from './hold-amount';
import type { DecisionInputs, Receipt } from './receipt';
import { judgeIncrements } from './rules-by-version';
import { controlsOf } from './snapshot-controls';

/** The checks of a decision, in the order in which it makes them; the last is made when it is committed. */
export const CHECKS = [
  'message',
  'program',
  'currency',
  'identity',
  'card',
  'account',
  'verification',
  'controls',
  'limits',
  'partner',
  'still_wanted',
  'funding',
  'in_time',
] as const;

export type CheckName = (typeof CHECKS)[number];

/** Which check a reason belongs to, where no control names it. A total map, so that no reason goes unexplained. */
const CHECK_OF: Readonly<Record<DeclineReason, CheckName>> = {
  malformed: 'message',
  duplicate_conflict: 'message',
  unknown_card: 'message',
  program_disabled: 'program',
  product_disabled: 'program',
  unsupported_currency: 'currency',
  unsupported_transaction: 'currency',
  kyc_not_valid: 'identity',
  card_not_active: 'card',
  card_paused: 'card',
  card_closed: 'card',
  card_expired: 'card',
  account_suspended: 'account',
  account_closed: 'account',
  account_overdue: 'account',
  avs_mismatch: 'verification',
  cvc_mismatch: 'verification',
  outside_validity: 'controls',
  foreign_currency_blocked: 'controls',
  country_blocked: 'controls',
  mcc_blocked: 'controls',
  merchant_blocked: 'controls',
  channel_blocked: 'controls',
  hours_blocked: 'controls',
  single_use_spent: 'controls',
  fleet_data_required: 'controls',
  driver_id_invalid: 'controls',
  vehicle_id_invalid: 'controls',
  fleet_limit_exceeded: 'controls',
  amount_limit_exceeded: 'limits',
  count_limit_exceeded: 'limits',
  velocity_exceeded: 'limits',
  program_limit_exceeded: 'limits',
  partner_declined: 'partner',
  price_unavailable: 'funding',
  credit_unavailable: 'funding',
  insufficient_funds: 'funding',
  purchase_ended: 'still_wanted',
  late: 'still_wanted',
  internal_error: 'message',
};

/** `not_needed`: this kind of request does not depend on it. */
export type CheckResult = 'passed' | 'failed' | 'not_reached' | 'not_needed';

export interface ExplainedCheck {
  readonly check: CheckName;
  readonly result: CheckResult;
  /** What it found, for support. */
  readonly detail: string;
}

/** Where the hold comes from, cents: total = amount + allowance + fee. Tokens are held with the buffer on top. */
export interface ExplainedHold {
  /** False: what would have been held. */
  readonly placed: boolean;
  readonly amount: bigint;
  readonly allowance: bigint;
  readonly fee: bigint;
  readonly total: bigint;
  readonly conversionBufferBps: number;
}

export interface ExplainedPrice {
  readonly asset: string;
  readonly priceUsdE8: bigint;
  readonly feed: string;
  readonly roundId: bigint;
  readonly observedAt: Date;
  readonly ageSeconds: number;
  readonly state: PriceState;
}

/** A decision, taken apart. Amounts are cents unless an asset stands beside them. */
export interface Explanation {
  readonly result: 'approved' | 'partially_approved' | 'declined';
  readonly reason: DeclineReason | null;
  /** Decided in time, but its commit came after the network had stopped listening: declined, nothing held. */
  readonly committedLate: boolean;
  readonly currency: string;
  readonly requested: bigint;
  readonly approved: bigint;
  readonly largest: bigint;
  readonly balance: bigint | null;
  readonly refusedBy: NonNullable<Receipt['outcome']['refused_by']> | null;
  readonly checks: readonly ExplainedCheck[];
  readonly limits: readonly LimitFigure[];
  /** Null where nothing would be held: an inquiry, a verification, money that comes back. */
  readonly hold: ExplainedHold | null;
  readonly legs: readonly PlannedLeg[];
  readonly options: readonly ConsideredOption[];
  readonly prices: readonly ExplainedPrice[];
  readonly partner: PartnerVerdict | null;
  /** The purchase that was known; null for a first message. */
  readonly amends: ExplainedPurchase | null;
}

/** What an answer had to do with a purchase that was known. Cents. */
export interface ExplainedPurchase {
  readonly approvedBefore: bigint;
  readonly ended: boolean;
  /** False: it was about the account, or about money that comes back, and only named the purchase. */
  readonly aboutAmount: boolean;
  /** Why it was not decided; null: it was. */
  readonly late: Lateness | null;
  /** It was not decided, because the purchase was over. */
  readonly over: boolean;
  /** A total that was told and is no more than before, and what that gave back; null for any other message. */
  readonly total: { readonly told: bigint; readonly givenBack: bigint } | null;
}

/**
 * Takes a decision apart. `inputs` are those of its receipt; their market may be empty when it is not known any more, and
 * then there are no prices. `committedLate`: the commit came after the network had stopped listening and overruled the decision.
 */
export function explain(receipt: Receipt, inputs: DecisionInputs, committedLate: boolean): Explanation {
  const { outcome } = receipt;
  const { request, snapshot } = inputs;
  const amends = purchaseOf(receipt, inputs);
  const reason = committedLate ? 'late' : (outcome.reason ?? null);
  const failed = failedCheck(outcome, amends, committedLate);
  const limits = limitFigures(roomInput(inputs));
  const legs = (outcome.legs ?? []).map(([kind, asset, amount, amountUsd, priceUsdE8]) => ({
    kind,
    asset,
    amount: BigInt(amount),
    amountUsd: BigInt(amountUsd),
    priceUsdE8: BigInt(priceUsdE8),
  }));
  const options = (outcome.options ?? []).map(([kind, asset, capacityUsd, usedUsd, rejection]) => ({
    kind,
    asset,
    capacityUsd: BigInt(capacityUsd),
    usedUsd: BigInt(usedUsd),
    rejection,
  }));
  const reached = failed === null ? CHECKS.length : CHECKS.indexOf(failed);
  const needed = neededChecks(inputs, amends, receipt.rules);
  const undecided = (amends?.late ?? null) !== null || amends?.over === true;
  const resultOf = (check: CheckName, index: number): CheckResult => {
    if (check === failed) return 'failed';
    // What came too late, or for a purchase that is over, was read, and nothing more.
    if (index > reached || (undecided && check !== 'message')) return 'not_reached';
    return needed.has(check) ? 'passed' : 'not_needed';
  };
  return {
    result: reason === null ? outcome.result : 'declined',
    reason,
    committedLate,
    currency: snapshot.currency,
    requested: request.amount,
    approved: reason === null ? BigInt(outcome.approved) : 0n,
    largest: BigInt(outcome.largest),
    balance: outcome.balance === undefined ? null : BigInt(outcome.balance),
    refusedBy: refusalOf(receipt),
    checks: CHECKS.map((check, index) => {
      const result = resultOf(check, index);
      const over = amends?.over === true;
      const found = { receipt, limits, options, failed: check === failed, late: amends?.late ?? null, over };
      return { check, result, detail: result === 'not_reached' ? '' : DETAILS[check](inputs, found) };
    }),
    limits,
    hold: holdOf(receipt, inputs, reason),
    legs: reason === null && amendmentOfReceipt(receipt)?.narrowed !== true ? legs : [],
    options,
    prices: pricesOf(inputs, options),
    partner: request.partner,
    amends,
  };
}

function purchaseOf(receipt: Receipt, { request, now }: DecisionInputs): ExplainedPurchase | null {
  const amendment = amendmentOfReceipt(receipt);
  if (amendment === null) return null;
  const times = timesOfReceipt(amendment);
  const total = totalOfReceipt(amendment);
  return {
    approvedBefore: BigInt(amendment.approved),
    ended: amendment.ended === true,
    aboutAmount: isAboutAmount(request.kind),
    late: times && latenessOf(times, now),
    over: amendment.over === true,
    total: total && { told: total.told, givenBack: BigInt(amendment.total?.given_back ?? '0') },
  };
}

function failedCheck(
  outcome: Receipt['outcome'],
  amends: ExplainedPurchase | null,
  committedLate: boolean,
): CheckName | null {
  if (committedLate || amends?.late === 'time_passed') return 'in_time';
  if (outcome.reason === undefined) return null;
  const { refused_by: refusedBy, reason } = outcome;
  if (refusedBy === undefined) return CHECK_OF[reason];
  // A control may name a reason that the card's own standing names too, and a limit of a fill is one of amounts.
  const isLimit = CHECK_OF[reason] === 'limits' || refusedBy.control.endsWith('per_fill_amount');
  return isLimit ? 'limits' : 'controls';
}

function neededChecks(
  { request, snapshot }: DecisionInputs,
  amends: ExplainedPurchase | null,
  rules: string,
): ReadonlySet<CheckName> {
  if (request.kind === 'advice') return new Set(['message']);
  // A total that is no more than before asks for nothing that could be refused.
  if ((amends?.total ?? null) !== null) return new Set(['message', 'in_time']);
  if (request.kind === 'refund_authorization') return new Set(['message', 'currency', 'in_time']);
  const needed = new Set<CheckName>(CHECKS);
  // Under older rules the controls let the purchase in with its first message, and all that came on top.
  if (snapshot.increment !== undefined && !judgeIncrements(rules)) needed.delete('controls');
  if (request.partner === null) needed.delete('partner');
  if (request.kind === 'balance_inquiry' || request.amount === 0n) {
    for (const check of ['limits', 'partner', 'still_wanted', 'funding'] as const) needed.delete(check);
  }
  return needed;
}

function roomInput({ snapshot, request, now }: DecisionInputs): RoomInput {
  const { policy, card, timeZone } = snapshot;
  return {
    controls: controlsOf(snapshot, now),
    programLimits: policy.program_limits,
    spend: request,
    now,
    accountCounters: countersNow(snapshot.accountCounters, now, timeZone),
    cardCounters: card && countersNow(card.counters, now, timeZone),
    programUsage: snapshot.programUsage,
    approvedBefore: snapshot.increment?.approvedBefore ?? null,
  };
}

function holdOf(receipt: Receipt, { snapshot, request }: DecisionInputs, reason: DeclineReason | null) {
  const { outcome } = receipt;
  const { policy } = snapshot;
  const conversionBufferBps = policy.conversion_buffer_bps;
  const placed = reason === null && outcome.hold !== '0';
  const amendment = amendmentOfReceipt(receipt);
  // The hold of a status check was there already, and what was not decided was not worked out.
  if (amendment?.narrowed === true || amendment?.late !== undefined || amendment?.over === true) return null;
  if (placed) {
    const [amount, total, fee] = [BigInt(outcome.approved), BigInt(outcome.hold), BigInt(outcome.fee ?? '0')];
    return { placed, amount, allowance: total - fee - amount, fee, total, conversionBufferBps };
  }
  const spends = request.kind === 'authorization' || request.kind === 'cash_withdrawal';
  if (!spends || request.amount === 0n) return null;
  const purchase = holdForAmountRoundUp(request.amount, request.mcc, policy);
  const terms = feeTerms(policy, {
    currency: request.currency,
    merchantCurrency: request.merchantCurrency,
    cashWithdrawal: request.kind === 'cash_withdrawal',
    cashAmount: request.cashAmount,
  });
  const fee = snapshot.increment === undefined ? feeRoundDown(terms, purchase) : feeOnTopRoundUp(terms, purchase);
  return {
    placed,
    amount: request.amount,
    allowance: purchase - request.amount,
    fee,
    total: purchase + fee,
    conversionBufferBps,
  };
}

function pricesOf({ snapshot, now }: DecisionInputs, options: readonly ConsideredOption[]): readonly ExplainedPrice[] {
  const looked = new Set([...options.map((option) => option.asset), ...Object.keys(snapshot.collateral)]);
  return Object.values(snapshot.prices)
    .filter((price) => looked.has(price.asset))
    .sort((one, other) => (one.asset < other.asset ? -1 : 1))
    .map((price) => ({
      asset: price.asset,
      priceUsdE8: price.priceUsdE8,
      feed: price.feed,
      roundId: price.roundId,
      observedAt: price.observedAt,
      ageSeconds: Math.max(0, Math.round((now.getTime() - price.observedAt.getTime()) / 1_000)),
      state: priceState(price, now),
    }));
}

interface Found {
  readonly receipt: Receipt;
  readonly limits: readonly LimitFigure[];
  readonly options: readonly ConsideredOption[];
  readonly failed: boolean;
  readonly late: Lateness | null;
  readonly over: boolean;
}

/** What each check found. A total map: every check says something. */
const DETAILS: Readonly<Record<CheckName, (inputs: DecisionInputs, found: Found) => string>> = {
  message: () => 'the message was read, is new, and names a card of ours',
  program: ({ snapshot: { programState, card } }) =>
    `program ${programState}${card?.productState ? `, card product ${card.productState}` : ''}`,
  currency: ({ request, snapshot }) =>
    `${request.kind.replaceAll('_', ' ')} billed in ${request.currency}, the program's currency is ${snapshot.currency}`,
  identity: ({ snapshot }) => `identity check ${snapshot.kycState}`,
  card: ({ snapshot: { card } }) => {
    if (card === null) return 'no card was named';
    const { expiryMonth, expiryYear } = card;
    return expiryMonth === null || expiryYear === null
      ? `card ${card.state}`
      : `card ${card.state}, good through ${String(expiryMonth).padStart(2, '0')}/${expiryYear}`;
  },
  account: ({ snapshot }) => `account ${snapshot.accountState}, overdue ${cents(snapshot.overdueAmount)}`,
  verification: ({ request }) =>
    `address ${request.avs.replaceAll('_', ' ')}, security code ${request.cvc.replaceAll('_', ' ')}`,
  controls: (inputs, { receipt, failed }) =>
    failed
      ? refusalDetail(receipt)
      : `none of ${counted(controlsOf(inputs.snapshot, inputs.now).length, 'document')} in force refuses`,
  limits: (_, { receipt, limits, failed }) => {
    if (failed) return refusalDetail(receipt);
    const rooms = limits
      .filter((limit) => limit.unit === 'cents')
      .sort((one, other) => (one.left < other.left ? -1 : 1));
    const [narrowest] = rooms;
    return narrowest === undefined
      ? `${counted(limits.length, 'limit')} in force, none on amounts`
      : `${counted(limits.length, 'limit')} in force, ${cents(narrowest.left)} left in the narrowest (${narrowest.level} ${narrowest.control})`;
  },
  partner: ({ request: { partner } }) =>
    partner === null
      ? 'the partner is not asked'
      : `${partner.decision === 'approve' ? 'approved' : 'declined'} by ${partner.source === 'partner' ? 'the partner' : 'the stand-in rules'} (${partner.cause.replaceAll('_', ' ')}, ${partner.latencyMs} ms)${partner.reason === null ? '' : `: ${partner.reason}`}`,
  still_wanted: ({ request }, { late, over }) => {
    if (over) return 'the purchase had been reversed, had run out or had been cleared for the last time';
    if (late === 'overtaken') return 'the network told the total of the purchase after it had asked this';
    return request.endedBefore
      ? 'the network took the purchase back, or cleared it, before it asked'
      : 'nothing had ended the purchase before it was asked for';
  },
  funding: (_, { receipt, options }) => {
    const sources = options.map(
      (option) =>
        `${option.kind === 'loan_draw' ? 'loan in ' : ''}${option.asset} ${cents(option.usedUsd)} of ${cents(option.capacityUsd)}${option.rejection === null ? '' : ` (${option.rejection.replaceAll('_', ' ')})`}`,
    );
    return `up to ${cents(BigInt(receipt.outcome.largest))} fundable here${sources.length === 0 ? '; no source is set' : `; ${sources.join(', ')}`}`;
  },
  in_time: (_, { failed, late }) => {
    if (late !== null) return 'its turn came after the network had stopped listening, so that it was not decided';
    return failed ? 'committed after the network had stopped listening' : 'committed while the network was listening';
  },
};

/** The control that refused. What a driver typed in may name a person: it stays in the receipt. */
function refusalOf({ outcome }: Receipt): NonNullable<Receipt['outcome']['refused_by']> | null {
  const { refused_by: refusedBy } = outcome;
  if (refusedBy === undefined) return null;
  return { ...refusedBy, detail: refusedBy.detail.replace(/^(driver|vehicle) id .+ is not/s, 'the $1 id sent is not') };
}

function refusalDetail(receipt: Receipt): string {
  const refusedBy = refusalOf(receipt);
  return refusedBy === null
    ? String(receipt.outcome.reason)
    : `${refusedBy.level} ${refusedBy.control}: ${refusedBy.detail}`;
}

function cents(amount: bigint): string {
  return formatDecimal(amount, 2);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
