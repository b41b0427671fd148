import { minBigint } from '../../shared/money';
import { divideRoundDown } from '../../shared/rounding';

/** Cents × 10^6 = USD with 8 decimals. */
const E8_PER_CENT = 1_000_000n;

/** A leg of the purchase with what it has posted and what refunds have given back of it. */
export interface RefundableLeg {
  readonly legId: string;
  readonly kind: 'stablecoin_sale' | 'loan_draw' | 'overdue';
  readonly asset: string;
  readonly postedAmount: bigint;
  readonly postedUsd: bigint;
  readonly refundedAmount: bigint;
  readonly refundedUsd: bigint;
}

/** Tokens that a refund gives back for one leg of the purchase, or (`legId` null) at today's rate for none. */
export interface RefundShare {
  readonly legId: string | null;
  readonly kind: 'loan_draw' | 'stablecoin_sale';
  readonly asset: string;
  readonly amount: bigint;
  readonly amountUsd: bigint;
}

export interface RefundSplit {
  /** Cents that pay what is overdue. */
  readonly overdueUsd: bigint;
  /** How much of them is this purchase's own overdue leg, by leg. */
  readonly overdueShares: readonly { readonly legId: string; readonly amountUsd: bigint }[];
  readonly shares: readonly RefundShare[];
}

export interface RefundSplitInput {
  readonly amountUsd: bigint;
  /** Cents that the account owes overdue, of any purchase. */
  readonly accountOverdueUsd: bigint;
  /** Legs of the purchase in plan order; none for a refund without one. */
  readonly legs: readonly RefundableLeg[];
  /** The stablecoin in which what belongs to no leg is given back, at today's price. */
  readonly otherwise: { readonly asset: string; readonly priceUsdE8: bigint; readonly decimals: number };
}

/**
 * Divides a refund: overdue first, then the purchase's loan legs, then its sales, the last of the plan first; each gets
 * tokens back at its own rate in proportion, so that a full refund leaves nothing owed (ledger decision 2). What is left
 * (no purchase named, or not cleared yet) buys the given stablecoin at today's price, rounded down.
 */
export function splitRefund(input: RefundSplitInput): RefundSplit {
  const overdueUsd = minBigint(input.amountUsd, input.accountOverdueUsd);
  let rest = overdueUsd;
  const overdueShares: { legId: string; amountUsd: bigint }[] = [];
  for (const leg of input.legs.filter((each) => each.kind === 'overdue')) {
    const paid = minBigint(rest, leg.postedUsd - leg.refundedUsd);
    if (paid > 0n) overdueShares.push({ legId: leg.legId, amountUsd: paid });
    rest -= paid;
  }

  let left = input.amountUsd - overdueUsd;
  const shares: RefundShare[] = [];
  for (const leg of inRefundOrder(input.legs)) {
    const openUsd = leg.postedUsd - leg.refundedUsd;
    const amountUsd = minBigint(left, openUsd);
    if (amountUsd === 0n) continue;
    const openAmount = leg.postedAmount - leg.refundedAmount;
    const amount = amountUsd === openUsd ? openAmount : divideRoundDown(openAmount * amountUsd, openUsd);
    left -= amountUsd;
    shares.push({ legId: leg.legId, kind: leg.kind, asset: leg.asset, amount, amountUsd });
  }
  if (left > 0n) shares.push(atTodaysPrice(input.otherwise, left));
  return { overdueUsd, overdueShares, shares };
}

type TokenLeg = RefundableLeg & { readonly kind: 'loan_draw' | 'stablecoin_sale' };

function inRefundOrder(legs: readonly RefundableLeg[]): readonly TokenLeg[] {
  const tokenLegs = legs.filter((leg): leg is TokenLeg => leg.kind !== 'overdue').reverse();
  return [
    ...tokenLegs.filter((leg) => leg.kind === 'loan_draw'),
    ...tokenLegs.filter((leg) => leg.kind !== 'loan_draw'),
  ];
}

function atTodaysPrice(otherwise: RefundSplitInput['otherwise'], amountUsd: bigint): RefundShare {
  const { asset, decimals, priceUsdE8 } = otherwise;
  const amount = divideRoundDown(amountUsd * E8_PER_CENT * 10n ** BigInt(decimals), priceUsdE8);
  return { legId: null, kind: 'stablecoin_sale', asset, amount, amountUsd };
}

/** What a loan part of a refund does to its draw. Amounts are base units of the borrowed asset. */
export interface LoanRefund {
  /** Principal that is no longer owed. */
  readonly principal: bigint;
  /** Tokens that find no principal, because it was repaid before: they go to the funds. */
  readonly toFunds: bigint;
  /** Posted and unpaid interest of that principal, which is given up. */
  readonly interest: bigint;
  /** The part of `interest` that the venue still takes; the rest was our spread. */
  readonly venueInterest: bigint;
  /** Shares that the draw keeps. */
  readonly sharesLeft: bigint;
  /** The part of `principal` whose borrow is not confirmed yet. */
  readonly unconfirmed: bigint;
}

export interface LoanRefundInput {
  readonly amount: bigint;
  /** Principal owed on the ledger. */
  readonly principalOpen: bigint;
  /** The part of it that is confirmed on chain and runs on shares. */
  readonly confirmedOpen: bigint;
  readonly interestOpen: bigint;
  /** Interest ever posted on the draw: the venue's part and ours. */
  readonly venueInterestPosted: bigint;
  readonly spreadPosted: bigint;
  readonly shares: bigint;
}

/** Undoes part of a draw: confirmed principal first, with its shares and its unpaid interest in proportion. */
export function refundLoan(input: LoanRefundInput): LoanRefund {
  const principal = minBigint(input.amount, input.principalOpen);
  const confirmed = minBigint(principal, input.confirmedOpen);
  const interest =
    principal === 0n
      ? 0n
      : principal === input.principalOpen
        ? input.interestOpen
        : divideRoundDown(input.interestOpen * principal, input.principalOpen);
  const posted = input.venueInterestPosted + input.spreadPosted;
  return {
    principal,
    toFunds: input.amount - principal,
    interest,
    venueInterest: posted === 0n ? 0n : divideRoundDown(interest * input.venueInterestPosted, posted),
    sharesLeft:
      input.confirmedOpen === 0n
        ? input.shares
        : input.shares - divideRoundDown(input.shares * confirmed, input.confirmedOpen),
    unconfirmed: principal - confirmed,
  };
}
