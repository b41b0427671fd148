import type { Transaction } from '../database/transaction';
import { postTransactions } from '../ledger/post-transactions';
import { settleNetwork } from '../ledger/templates/settle-network';
import { invariant, required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { formatId } from '../shared/ids';
import { usdDocument } from '../shared/money-document';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { acceptedText } from './rules/compare-settlement';
import { refuseUnseen } from './rules/refuse-unseen';
import { findSettlement, lockSettlement, type SettlementRow, updateSettlement } from './settlement.repository';
import { tellSettlement } from './settlement-event';
import { wakeSettlement } from './wake-settlement';

/**
 * An operator's word that what the books lack of what the bank moved is booked, where an earlier fault left them otherwise than
 * the settlement says. `amount` has to be the difference as it stands ({@link refuseUnseen}). The settlement is compared again
 * then; one that was over stays so.
 */
export async function correctBooks(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: {
    readonly organizationId: string;
    readonly settlementId: string;
    readonly amount: string;
    readonly reason: string;
    /** The API key that says so. */
    readonly correctedBy: string | null;
  },
): Promise<Result<SettlementRow, Refusal>> {
  const { organizationId, settlementId, reason, correctedBy } = input;
  const row = await lockSettlement(trx, organizationId, settlementId);
  if (row === undefined) return err(refusal('not_found', 'there is no settlement with this id'));
  const { books_difference: amount } = row;
  if (amount === null) {
    return err(refusal('state_conflict', 'the books have what the bank moved, as far as the settlement was compared'));
  }
  const unseen = refuseUnseen(input.amount, amount, 'the books lack');
  if (unseen !== null) return err(unseen);
  const comparedAt = required(row.compared_at, `when settlement ${settlementId} was compared`);
  const draft = { settlementId, programId: row.program_id, netAmount: amount, effectiveAt: deps.clock.now() };
  const [posted] = await postTransactions(trx, organizationId, [settleNetwork({ ...draft, mends: comparedAt })]);
  invariant(posted?.kind === 'posted', `settlement ${settlementId}: its books were corrected for this look before`);
  await updateSettlement(trx, organizationId, settlementId, {
    books_difference: null,
    // One that is under way is told its difference by the look that comes; one that is over has nobody else to take it back.
    ...(row.state === 'reconciled' ? { difference: acceptedText(row) } : {}),
  });
  const corrected = required(await findSettlement(trx, organizationId, settlementId), 'settlement just corrected');
  await tellSettlement(trx, corrected, 'settlement.books_corrected', {
    corrected_amount: usdDocument(amount),
    corrected_reason: reason,
    corrected_by: correctedBy === null ? null : formatId('apiKey', correctedBy),
  });
  await wakeSettlement(trx, corrected);
  return ok(corrected);
}
