import { invariant } from '../../shared/assert';
import { minBigint, sumBigint } from '../../shared/money';
import { divideRoundDown } from '../../shared/rounding';

/** USD with 8 decimals in a cent. */
const E8_PER_CENT = 1_000_000n;

/** A lot with something left in it. */
export interface OpenLot {
  readonly lotId: string;
  /** Base units not yet disposed of. */
  readonly remaining: bigint;
  /** Price per whole unit at which it was acquired, USD with 8 decimals. */
  readonly basisPriceUsdE8: bigint;
}

/** What a disposal takes from one lot. Amounts of USD are cents. */
export interface LotDisposal {
  /** Null: more was disposed of than lots are known for; its basis is then zero. */
  readonly lotId: string | null;
  readonly quantity: bigint;
  readonly basisUsd: bigint;
  readonly proceedsUsd: bigint;
  readonly feeUsd: bigint;
}

/** Cents that `quantity` base units cost at a price, rounded down: a smaller basis never understates a gain. */
export function basisUsdRoundDown(quantity: bigint, basisPriceUsdE8: bigint, decimals: number): bigint {
  return divideRoundDown(quantity * basisPriceUsdE8, 10n ** BigInt(decimals) * E8_PER_CENT);
}

/**
 * Takes `quantity` from lots in the order given (oldest first) and divides proceeds and fee over them by quantity, to the cent:
 * the parts add up to the whole.
 */
export function disposeFirstInFirstOut(
  lots: readonly OpenLot[],
  disposal: {
    readonly quantity: bigint;
    readonly proceedsUsd: bigint;
    readonly feeUsd: bigint;
    readonly decimals: number;
  },
): readonly LotDisposal[] {
  invariant(disposal.quantity > 0n, 'a disposal takes something');
  const taken: { lotId: string | null; quantity: bigint; basisUsd: bigint }[] = [];
  let left = disposal.quantity;
  for (const lot of lots) {
    if (left === 0n) break;
    const quantity = minBigint(left, lot.remaining);
    if (quantity === 0n) continue;
    left -= quantity;
    taken.push({
      lotId: lot.lotId,
      quantity,
      basisUsd: basisUsdRoundDown(quantity, lot.basisPriceUsdE8, disposal.decimals),
    });
  }
  if (left > 0n) taken.push({ lotId: null, quantity: left, basisUsd: 0n });

  let before = 0n;
  const shareOf = (total: bigint, from: bigint, to: bigint) =>
    divideRoundDown(total * to, disposal.quantity) - divideRoundDown(total * from, disposal.quantity);
  const disposals = taken.map((part) => {
    const from = before;
    before += part.quantity;
    return {
      ...part,
      proceedsUsd: shareOf(disposal.proceedsUsd, from, before),
      feeUsd: shareOf(disposal.feeUsd, from, before),
    };
  });
  invariant(
    sumBigint(disposals.map((part) => part.quantity)) === disposal.quantity,
    'a disposal is divided without rest',
  );
  return disposals;
}
