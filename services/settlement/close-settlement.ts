import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { showProgram } from '../programs/show-program';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findSettlementOfDate, insertSettlement, type SettlementRow } from './settlement.repository';
import { wakeSettlement } from './wake-settlement';

/** Opens the settlement of one date with the network and has it followed until bank, network and ledger agree. One per program and date. */
export async function closeSettlement(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: { readonly organizationId: string; readonly programId: string; readonly date: string },
): Promise<Result<SettlementRow, Refusal>> {
  const { organizationId, programId, date } = input;
  const program = await showProgram(trx, { organizationId, programId });
  if (!program.ok) return program;
  const day = new Date(`${date}T00:00:00.000Z`);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date) || Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date)) {
    return err(refusal('invalid_parameter', 'The date must be a calendar date such as 2026-11-21.', '/date'));
  }
  if (day.getTime() > deps.clock.now().getTime()) {
    return err(refusal('invalid_parameter', 'The date has not begun yet.', '/date'));
  }
  await insertSettlement(trx, { organization_id: organizationId, id: newId(), program_id: programId, date });
  const row = required(await findSettlementOfDate(trx, organizationId, programId, date), 'settlement just opened');
  await wakeSettlement(trx, row);
  return ok(row);
}
