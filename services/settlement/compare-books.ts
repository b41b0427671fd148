import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { acceptedText } from './rules/compare-settlement';
import { apartText } from './rules/plan-booking';
import { bookedOf, lockSettlement, updateSettlement } from './settlement.repository';
import { tellSettlement } from './settlement-event';

/**
 * Holds the books of a settlement that is over against what it says the bank moved, without asking network or bank. What they lack
 * is shown and told as of one that is under way, for an operator to have booked (`correctBooks`); it stays over. Returns whether
 * that is otherwise than it was shown.
 */
export async function compareBooks(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: { readonly organizationId: string; readonly settlementId: string },
): Promise<boolean> {
  const { organizationId, settlementId } = input;
  const row = required(await lockSettlement(trx, organizationId, settlementId), `settlement ${settlementId}`);
  const { state, paid_amount: paid } = row;
  if (state !== 'reconciled' || paid === null) return false;
  const lacking = paid - (await bookedOf(trx, organizationId, settlementId)).amount;
  if (lacking === (row.books_difference ?? 0n)) return false;
  const found = {
    books_difference: lacking === 0n ? null : lacking,
    difference: lacking === 0n ? acceptedText(row) : apartText(paid, lacking),
    compared_at: deps.clock.now(),
  };
  await updateSettlement(trx, organizationId, settlementId, found);
  if (lacking !== 0n) await tellSettlement(trx, { ...row, ...found }, 'settlement.difference_found');
  return true;
}
