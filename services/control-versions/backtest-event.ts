import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { formatId } from '../shared/ids';
import type { BacktestRow } from './backtest.repository';

/** Tells the fintech of a backtest as it is now. */
export async function appendBacktestEvent(
  trx: Transaction,
  type: 'backtest.requested' | 'backtest.finished' | 'backtest.cancelled',
  row: BacktestRow,
): Promise<void> {
  await appendEvent(trx, {
    organizationId: row.organization_id,
    type,
    resourceKind: 'backtest',
    resourceId: row.id,
    data: {
      control_version_id: formatId('controlVersion', row.control_version_id),
      state: row.state,
      from: row.period_from.toISOString(),
      before: row.period_before.toISOString(),
      replayed: row.result.replayed,
      approved_to_declined: row.result.approved_to_declined.count,
      declined_to_approved: row.result.declined_to_approved.count,
    },
  });
}
