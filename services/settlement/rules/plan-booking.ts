import { formatDecimal } from '../../shared/money';

/** What the books have of what the bank moved for a settlement. */
export interface Booked {
  /** Cents, above zero paid to the network. */
  readonly amount: bigint;
  /** Idempotency keys that it stands under. */
  readonly keys: readonly string[];
}

/** `book`: cents that are to be booked. `apart`: so many are missing, and not by what the bank has moved since. */
export type BookingPlan =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'book'; readonly amount: bigint }
  | { readonly kind: 'apart'; readonly amount: bigint };

/**
 * What is to be booked so that the books have what the bank has moved (`paid`). Only what has come since the settlement was last
 * booked is booked without asking: where the books are not as the settlement says (`said`, null where it does not know), or the
 * key is taken, something was booked that it does not know of.
 */
export function planBooking(input: {
  readonly paid: bigint;
  readonly said: bigint | null;
  readonly booked: Booked;
  readonly key: string;
}): BookingPlan {
  const { paid, said, booked, key } = input;
  const amount = paid - booked.amount;
  if (amount === 0n) return { kind: 'nothing' };
  return said === booked.amount && !booked.keys.includes(key) ? { kind: 'book', amount } : { kind: 'apart', amount };
}

/** In words for an operator, with the name of what mends it. */
export function apartText(paid: bigint, lacking: bigint): string {
  const [moved, have, amount] = [paid, paid - lacking, lacking].map((cents) => formatDecimal(cents, 2));
  return `the bank moved ${moved} USD and the books have ${have} of it: ${amount} is to be booked by correct-books`;
}
