import { minBigint, sumBigint } from '../../shared/money';

/** What limits counted for a purchase at one moment, on one card. Cents. */
export interface CountedPart {
  readonly cardId: string;
  readonly at: Date;
  readonly amount: bigint;
}

/** What one message was approved for on top of a purchase that came to `totalBefore` cents then. */
export interface GrantedOnTop {
  readonly cardId: string;
  readonly at: Date;
  readonly totalBefore: bigint;
  readonly granted: bigint;
  /** The purchase had ended: it was counted as one of then, and is open again. */
  readonly openedAgain?: boolean;
  /** It counts no more; later totals had it in them as long as it did. */
  readonly takenBack?: boolean;
}

/**
 * The parts of a purchase that are still counted, `standing` cents in all, in the order in which they were. What was given back
 * between them is taken to be what was counted last, as {@link partsGivenBack} has it. `first` is null where what the purchase began with
 * was taken back.
 */
export function partsCounted(
  first: Omit<CountedPart, 'amount'> | null,
  onTop: readonly GrantedOnTop[],
  standing: bigint,
): readonly CountedPart[] {
  let parts: readonly (CountedPart & { readonly takenBack?: boolean })[] =
    first === null ? [] : [{ ...first, amount: onTop[0]?.totalBefore ?? standing }];
  for (const { cardId, at, totalBefore, granted, takenBack = false } of onTop) {
    parts = [...earliest(parts, totalBefore), { cardId, at, amount: granted, takenBack }];
  }
  return earliest(
    parts.filter((part) => part.takenBack !== true),
    standing,
  );
}

/**
 * When, on which card and by which message a purchase was last counted as one: when it began (no message), or when it was opened again.
 * Where it ends and nothing was cleared since then, it counts as that one no longer, whatever it was counted as before.
 */
export function lastOpening<Granted extends GrantedOnTop>(
  first: Pick<CountedPart, 'cardId' | 'at'>,
  onTop: readonly Granted[],
): Pick<CountedPart, 'cardId' | 'at'> & { readonly by: Granted | null } {
  const again = onTop.findLast(({ openedAgain }) => openedAgain === true);
  return again === undefined ? { ...first, by: null } : { cardId: again.cardId, at: again.at, by: again };
}

/** Which of these parts `amount` cents are given back of: the last that were counted. Whatever exceeds them was counted with the first. */
export function partsGivenBack(parts: readonly CountedPart[], amount: bigint): readonly CountedPart[] {
  const given: CountedPart[] = [];
  let left = amount;
  for (const [index, part] of [...parts.entries()].reverse()) {
    const share = index === 0 ? left : minBigint(left, part.amount);
    if (share !== 0n) given.unshift({ ...part, amount: share });
    left -= share;
  }
  return given;
}

export function amountOf(parts: readonly CountedPart[]): bigint {
  return sumBigint(parts.map((part) => part.amount));
}

function earliest(parts: readonly CountedPart[], total: bigint): readonly CountedPart[] {
  let left = total;
  return parts.flatMap((part) => {
    const amount = minBigint(left, part.amount);
    left -= amount;
    return amount > 0n ? { ...part, amount } : [];
  });
}
