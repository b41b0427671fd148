import { maxBigint } from '../../shared/money';
import type { PurchaseStanding } from './amendment';
import { isOpen } from './authorization-state';

/**
 * What limits count of a purchase as it stands, cents. While it is open that is what was approved and not given back, or what was
 * cleared where that is more; once it has ended, what was cleared, and what was approved and never cleared lapsed.
 */
export function countedAmount({ state, approved, reversed, cleared }: PurchaseStanding): bigint {
  return isOpen(state) ? maxBigint(approved - reversed, cleared) : cleared;
}
