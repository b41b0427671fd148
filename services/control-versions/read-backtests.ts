import type { Page, PageRequest } from '../database/page';
import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import {
  BACKTEST_STATES,
  type BacktestRow,
  type BacktestState,
  findBacktest,
  findBacktests,
} from './backtest.repository';

export { BACKTEST_STATES, type BacktestRow };

/** A backtest with what it has found so far, or `not_found`. */
export async function showBacktest(
  trx: Transaction,
  input: { readonly organizationId: string; readonly backtestId: string },
): Promise<Result<BacktestRow, Refusal>> {
  const backtest = await findBacktest(trx, input.organizationId, input.backtestId);
  return backtest === undefined ? err(refusal('not_found', 'there is no backtest with this id')) : ok(backtest);
}

/** Backtests of the organization, newest first. */
export async function listBacktests(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly versionId?: string | undefined;
    readonly state?: BacktestState | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<BacktestRow>> {
  const { organizationId, versionId, state, page } = input;
  return findBacktests(trx, organizationId, { controlVersionId: versionId, state }, page);
}
