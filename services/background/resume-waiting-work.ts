import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import { appendCommand } from '../outbox/append-command';
import type { Clock } from '../shared/clock';
import type { WorkflowType } from '../temporal/port';
import { findWaitingWork, type WaitingKind } from './waiting-work.repository';

export interface ResumeWaitingWorkDeps {
  readonly knex: Knex;
  /** Pool of the role `worker`: it looks at all organizations at once. */
  readonly workerKnex: Knex;
  readonly clock: Clock;
  /** When each workflow was last taken up, by its id, so that work that waits for an operator is not signalled all the time. */
  readonly resumed: Map<string, Date>;
}

/** A workflow looks again by itself well before this. */
export const WAITING_TOO_LONG_MS = 10 * 60_000;
const BATCH = 100;

interface Carrier {
  readonly workflowType: WorkflowType;
  readonly prefix: string;
  /** Name of the row's id in the workflow's input. */
  readonly key: string;
  readonly signal: string;
}

const CARRIERS: Readonly<Record<WaitingKind, Carrier>> = {
  authorization_funding: {
    workflowType: 'spendAuthorization',
    prefix: 'authorization:',
    key: 'authorizationId',
    signal: 'cardEvent',
  },
  forced_transaction_funding: {
    workflowType: 'spendAuthorization',
    prefix: 'authorization:',
    key: 'cardTransactionId',
    signal: 'cardEvent',
  },
  sale: { workflowType: 'fundSale', prefix: 'sale:', key: 'postingId', signal: 'offRampHint' },
  draw: { workflowType: 'drawLoan', prefix: 'draw:', key: 'postingId', signal: 'offRampHint' },
  kyc: { workflowType: 'kycOnboarding', prefix: 'kyc:', key: 'cardholderId', signal: 'kycHint' },
  card: { workflowType: 'cardIssuance', prefix: 'card-issuance:', key: 'cardId', signal: 'cardStateChanged' },
  deposit: { workflowType: 'creditDeposit', prefix: 'deposit:', key: 'depositId', signal: 'depositSeen' },
  collateral: {
    workflowType: 'moveCollateral',
    prefix: 'collateral:',
    key: 'operationId',
    signal: 'collateralChanged',
  },
  repayment: { workflowType: 'repayLoan', prefix: 'repayment:', key: 'repaymentId', signal: 'repaymentChanged' },
  settlement: {
    workflowType: 'settleNetwork',
    prefix: 'settlement:',
    key: 'settlementId',
    signal: 'settlementChanged',
  },
  backtest: { workflowType: 'backtestControls', prefix: 'backtest:', key: 'backtestId', signal: 'backtestChanged' },
};

/**
 * Signals the workflow of whatever waits too long in the rows, starting it again if it is gone: a signal that got lost, or
 * a workflow that somebody ended, must not lose work. Returns how many were signalled.
 */
export async function resumeWaitingWork(
  deps: ResumeWaitingWorkDeps,
  olderThanMs: number = WAITING_TOO_LONG_MS,
): Promise<number> {
  const now = deps.clock.now();
  const before = new Date(now.getTime() - olderThanMs);
  for (const [workflowId, at] of deps.resumed) if (at <= before) deps.resumed.delete(workflowId);

  let signalled = 0;
  for (const [kind, carrier] of Object.entries(CARRIERS) as [WaitingKind, Carrier][]) {
    const { workflowType, prefix, key, signal } = carrier;
    for (const work of await findWaitingWork(deps.workerKnex, kind, prefix, before, BATCH)) {
      const workflowId = `${prefix}${work.id}`;
      if (deps.resumed.has(workflowId)) continue;
      const organizationId = work.organization_id;
      await inOrganization(deps.knex, organizationId, (trx) =>
        appendCommand(trx, {
          organizationId,
          workflowType,
          workflowId,
          signal,
          payload: { organizationId, [key]: work.id },
        }),
      );
      deps.resumed.set(workflowId, now);
      signalled += 1;
    }
  }
  return signalled;
}
