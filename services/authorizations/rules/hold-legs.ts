import { minBigint, sumBigint } from '../../shared/money';
import { divideRoundDown } from '../../shared/rounding';

/** What a leg still holds: base units of `asset`, and the cents that they were held for. */
export interface HeldLeg {
  readonly legId: string;
  readonly kind: 'stablecoin_sale' | 'loan_draw';
  readonly asset: string;
  readonly holdTransferId: string;
  /** Price at which the hold was taken. */
  readonly priceUsdE8: bigint;
  readonly leftAmount: bigint;
  readonly leftUsd: bigint;
}

/** A part of what a leg held. */
export interface LegShare {
  readonly legId: string;
  readonly kind: HeldLeg['kind'];
  readonly asset: string;
  readonly holdTransferId: string;
  readonly amount: bigint;
  readonly amountUsd: bigint;
}

export interface HoldChange {
  readonly shares: readonly LegShare[];
  /** The legs in plan order with what they hold afterwards. */
  readonly left: readonly HeldLeg[];
}

/** Cents still held: a leg whose tokens are used up holds nothing, whatever cents they fell short of. */
export function heldUsd(legs: readonly HeldLeg[]): bigint {
  return sumBigint(legs.filter((leg) => leg.leftAmount > 0n).map((leg) => leg.leftUsd));
}

/**
 * Takes a clearing from the legs in plan order. `price` gives base units for cents at the posting, and `reach` the most cents
 * that a leg's tokens still pay at a price that can be trusted (null: there is none, so the hold's own covers it). A leg never
 * gives more than it holds: its buffer was meant for moves of the price, and what they take beyond it is left uncovered.
 */
export function consumeLegs(
  legs: readonly HeldLeg[],
  amountUsd: bigint,
  price: (leg: HeldLeg, cents: bigint) => bigint,
  reach: (leg: HeldLeg) => bigint | null = () => null,
): HoldChange & { readonly uncoveredUsd: bigint } {
  let uncoveredUsd = amountUsd;
  const shares: LegShare[] = [];
  const left = legs.map((leg) => {
    const most = leg.leftAmount === 0n ? 0n : minBigint(leg.leftUsd, reach(leg) ?? leg.leftUsd);
    const taken = minBigint(uncoveredUsd, most);
    if (taken === 0n) return leg;
    const amount = minBigint(price(leg, taken), leg.leftAmount);
    uncoveredUsd -= taken;
    shares.push(shareOf(leg, amount, taken));
    return { ...leg, leftAmount: leg.leftAmount - amount, leftUsd: leg.leftUsd - taken };
  });
  return { shares, left, uncoveredUsd };
}

/** Gives `amountUsd` cents of the hold back, the last leg of the plan first; tokens in proportion, rounded down. */
export function releaseLegs(legs: readonly HeldLeg[], amountUsd: bigint): HoldChange {
  let rest = amountUsd;
  const shares: LegShare[] = [];
  const left = [...legs].reverse().map((leg) => {
    const freed = minBigint(rest, leg.leftUsd);
    if (freed === 0n) return leg;
    const amount = freed === leg.leftUsd ? leg.leftAmount : divideRoundDown(leg.leftAmount * freed, leg.leftUsd);
    rest -= freed;
    shares.push(shareOf(leg, amount, freed));
    return { ...leg, leftAmount: leg.leftAmount - amount, leftUsd: leg.leftUsd - freed };
  });
  return { shares, left: left.reverse() };
}

/** Gives back all that is held, buffers included. */
export function releaseAll(legs: readonly HeldLeg[]): HoldChange {
  return {
    shares: [...legs].reverse().map((leg) => shareOf(leg, leg.leftAmount, leg.leftUsd)),
    left: legs.map((leg) => ({ ...leg, leftAmount: 0n, leftUsd: 0n })),
  };
}

/**
 * Gives back what is left of legs that no longer hold anything for the purchase: the buffer of one that covered all it was held
 * for, and the cents of one whose tokens a fallen price has used up before.
 */
export function releaseBuffers(legs: readonly HeldLeg[]): HoldChange {
  const isFinished = (leg: HeldLeg): boolean => leg.leftUsd === 0n || leg.leftAmount === 0n;
  return {
    shares: legs.filter(isFinished).map((leg) => shareOf(leg, leg.leftAmount, leg.leftUsd)),
    left: legs.map((leg) => (isFinished(leg) ? { ...leg, leftAmount: 0n, leftUsd: 0n } : leg)),
  };
}

function shareOf(leg: HeldLeg, amount: bigint, amountUsd: bigint): LegShare {
  const { legId, kind, asset, holdTransferId } = leg;
  return { legId, kind, asset, holdTransferId, amount, amountUsd };
}
