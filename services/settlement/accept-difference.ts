import type { Transaction } from '../database/transaction';
import { postTransactions } from '../ledger/post-transactions';
import { acceptSettlementDifference } from '../ledger/templates/accept-settlement-difference';
import { invariant, required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { formatId } from '../shared/ids';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { bankDifference } from './rules/bank-difference';
import { refuseUnseen } from './rules/refuse-unseen';
import { next } from './rules/settlement-state';
import { findSettlement, lockSettlement, type SettlementRow, updateSettlement } from './settlement.repository';
import { tellSettlement } from './settlement-event';
import { wakeSettlement } from './wake-settlement';

/**
 * An operator's word that a difference at the bank stays: what the bank moved to the network beyond what was owed is borne by
 * the organization, what it moved less is kept, and the settlement is over. `amount` has to be the difference as it stands
 * ({@link refuseUnseen}). Said again in the same words, it changes nothing.
 */
export async function acceptDifference(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: {
    readonly organizationId: string;
    readonly settlementId: string;
    readonly amount: string;
    readonly reason: string;
    /** The API key that says so. */
    readonly acceptedBy: string | null;
  },
): Promise<Result<SettlementRow, Refusal>> {
  const { organizationId, settlementId, reason, acceptedBy } = input;
  const row = await lockSettlement(trx, organizationId, settlementId);
  if (row === undefined) return err(refusal('not_found', 'there is no settlement with this id'));
  const amount = bankDifference(row);
  const unseen = amount === null ? null : refuseUnseen(input.amount, amount, 'the difference is');
  if (row.accepted_at !== null && row.accepted_reason === reason && unseen === null) return ok(row);
  if (row.state !== 'paid' || row.difference === null || amount === null) {
    const detail = `there is no difference at the bank to accept: the settlement is ${row.state}`;
    return err(refusal('state_conflict', detail));
  }
  if (row.books_difference !== null) {
    return err(refusal('state_conflict', 'the books do not have what the bank moved: have them corrected first'));
  }
  if (unseen !== null) return err(unseen);
  const now = deps.clock.now();
  if (amount !== 0n) {
    const draft = { settlementId, programId: row.program_id, amount, effectiveAt: now };
    await postTransactions(trx, organizationId, [acceptSettlementDifference(draft)]);
  }
  const transition = next(row.state, 'accepted');
  invariant(transition.kind === 'changed', `settlement ${settlementId}: accepted in state ${row.state}`);
  await updateSettlement(trx, organizationId, settlementId, {
    state: transition.state,
    accepted_reason: reason,
    accepted_by: acceptedBy,
    accepted_at: now,
  });
  const accepted = required(await findSettlement(trx, organizationId, settlementId), 'settlement just accepted');
  await tellSettlement(trx, accepted, 'settlement.difference_accepted', {
    accepted_reason: reason,
    accepted_by: acceptedBy === null ? null : formatId('apiKey', acceptedBy),
  });
  await wakeSettlement(trx, accepted);
  return ok(accepted);
}
