import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { appendCommand } from '../outbox/append-command';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type BacktestRow, countBacktestsUnderWay, insertBacktest } from './backtest.repository';
import { appendBacktestEvent } from './backtest-event';
import { findVersion } from './control-version.repository';
import { EMPTY_BACKTEST } from './rules/backtest';

export interface StartBacktestInput {
  readonly organizationId: string;
  readonly versionId: string;
  /** Traffic that was decided from here on… */
  readonly from: Date;
  /** …and before this instant; null: until now. */
  readonly before: Date | null;
  /** Id of the API key. */
  readonly createdBy: string | null;
}

const DAY_MS = 86_400_000;
const PERIOD_MAX_DAYS = 92;
const UNDER_WAY_MAX = 3;

/**
 * Starts to decide stored authorizations again, as if the version's document had been in force: any version may be tried
 * out, not only a draft. The workflow `backtestControls` does it; nothing but the backtest's own rows changes.
 */
export async function startBacktest(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: StartBacktestInput,
): Promise<Result<BacktestRow, Refusal>> {
  const { organizationId, versionId, from } = input;
  const version = await findVersion(trx, organizationId, versionId);
  if (version === undefined) return err(refusal('not_found', 'there is no control version with this id'));
  const now = deps.clock.now();
  const before = input.before ?? now;
  if (before > now) return err(refusal('invalid_parameter', 'must not be in the future', '/before'));
  if (from >= before) return err(refusal('invalid_parameter', 'must be earlier than "before"', '/from'));
  if (before.getTime() - from.getTime() > PERIOD_MAX_DAYS * DAY_MS) {
    return err(refusal('invalid_parameter', `the period may be ${PERIOD_MAX_DAYS} days at most`, '/from'));
  }
  if ((await countBacktestsUnderWay(trx, organizationId)) >= UNDER_WAY_MAX) {
    return err(
      refusal('state_conflict', `${UNDER_WAY_MAX} backtests are under way: wait for one of them, or cancel it.`),
    );
  }
  const backtest = await insertBacktest(trx, {
    organization_id: organizationId,
    id: newId(),
    control_version_id: versionId,
    state: 'requested',
    period_from: from,
    period_before: before,
    result: EMPTY_BACKTEST,
    created_by: input.createdBy,
  });
  await appendBacktestEvent(trx, 'backtest.requested', backtest);
  await appendCommand(trx, {
    organizationId,
    workflowType: 'backtestControls',
    workflowId: `backtest:${backtest.id}`,
    payload: { organizationId, backtestId: backtest.id },
  });
  return ok(backtest);
}
