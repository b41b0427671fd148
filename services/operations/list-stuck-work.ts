import type { Transaction } from '../database/transaction';
import { findStuckWork, type StuckWork } from './stuck-work.repository';

export type { StuckWork };

/** Work of the organization that waits for an operator, the oldest first, `limit` of each kind at most. */
export async function listStuckWork(
  trx: Transaction,
  input: { readonly organizationId: string; readonly limit: number },
): Promise<readonly StuckWork[]> {
  return findStuckWork(trx, input.organizationId, input.limit);
}
