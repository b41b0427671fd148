import type { Transaction } from '../database/transaction';
import { appendCommand } from '../outbox/append-command';
import type { SettlementRow } from './settlement.repository';

/** Has the settlement's workflow look again; a signal, not only a start: it looks also when it has ended. */
export async function wakeSettlement(trx: Transaction, row: SettlementRow): Promise<void> {
  await appendCommand(trx, {
    organizationId: row.organization_id,
    workflowType: 'settleNetwork',
    workflowId: `settlement:${row.id}`,
    signal: 'settlementChanged',
    payload: { organizationId: row.organization_id, settlementId: row.id },
  });
}
