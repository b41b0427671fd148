import type { Page, PageRequest } from '../database/page';
import { findPage, findRow } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { SettlementState } from './rules/settlement-state';
import type { SettlementRow } from './settlement.repository';

export type { SettlementRow };

/** Settlements of the organization with the network, newest first. */
export async function listSettlements(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly programId?: string | undefined;
    readonly state?: SettlementState | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<SettlementRow>> {
  const { organizationId, programId, state, page } = input;
  return findPage<SettlementRow>(trx, 'settlements', organizationId, page, {
    where: { program_id: programId, state },
  });
}

/** One settlement, or `not_found`. */
export async function showSettlement(
  trx: Transaction,
  input: { readonly organizationId: string; readonly settlementId: string },
): Promise<Result<SettlementRow, Refusal>> {
  const row = await findRow<SettlementRow>(trx, 'settlements', input.organizationId, input.settlementId);
  return row === undefined ? err(refusal('not_found', 'there is no settlement with this id')) : ok(row);
}
