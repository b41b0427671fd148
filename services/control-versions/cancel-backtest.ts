import type { Transaction } from '../database/transaction';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type BacktestRow, deleteSimulation, lockBacktest, updateBacktest } from './backtest.repository';
import { appendBacktestEvent } from './backtest-event';

/** Ends a backtest that is under way; its step sees it before the next page. What it found until then stays readable. */
export async function cancelBacktest(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: { readonly organizationId: string; readonly backtestId: string },
): Promise<Result<BacktestRow, Refusal>> {
  const { organizationId, backtestId } = input;
  const backtest = await lockBacktest(trx, organizationId, backtestId);
  if (backtest === undefined) return err(refusal('not_found', 'there is no backtest with this id'));
  if (backtest.state === 'cancelled') return ok(backtest);
  if (backtest.state === 'finished') return err(refusal('state_conflict', 'The backtest has finished.'));
  const cancelled = await updateBacktest(trx, organizationId, backtestId, {
    state: 'cancelled',
    finished_at: deps.clock.now(),
  });
  await deleteSimulation(trx, organizationId, backtestId);
  await appendBacktestEvent(trx, 'backtest.cancelled', cancelled);
  return ok(cancelled);
}
