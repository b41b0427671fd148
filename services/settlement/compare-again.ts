import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findSettlement, type SettlementRow } from './settlement.repository';
import { wakeSettlement } from './wake-settlement';

/** Has a settlement compared again: the network's report and the bank's entries are read anew. Its `compared_at` tells when. */
export async function compareAgain(
  trx: Transaction,
  input: { readonly organizationId: string; readonly settlementId: string },
): Promise<Result<SettlementRow, Refusal>> {
  const row = await findSettlement(trx, input.organizationId, input.settlementId);
  if (row === undefined) return err(refusal('not_found', 'there is no settlement with this id'));
  if (row.state === 'reconciled') return err(refusal('state_conflict', 'the settlement is reconciled, and over'));
  await wakeSettlement(trx, row);
  return ok(row);
}
