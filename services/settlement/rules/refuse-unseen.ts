import { formatDecimal } from '../../shared/money';
import { type Refusal, refusal } from '../../shared/refusal';

/**
 * An operator's word on a difference names its amount as the settlement shows it (US dollars with sign and cents), so that nobody
 * has booked what they have not seen. Refuses another amount than the difference is by now, of which `what` begins to tell; null
 * where it is the one.
 */
export function refuseUnseen(named: string, amount: bigint, what: string): Refusal | null {
  const shown = formatDecimal(amount, 2);
  if (named === shown) return null;
  return refusal('state_conflict', `${what} ${shown} now: look at it, and name that amount`, '/amount');
}
