import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import { appendCommand, type OutboxCommand } from '../outbox/append-command';
import type { Clock } from '../shared/clock';
import { findUnfundedPurchases, findWaitingCards, findWaitingKycCases } from './waiting-work.repository';

export interface ResumeWaitingWorkDeps {
  readonly knex: Knex;
  /** Pool of the role `worker`: it looks at all organizations at once. */
  readonly workerKnex: Knex;
  readonly clock: Clock;
}

const BATCH = 100;
/** Workflows look again by themselves well before this. */
export const WAITING_TOO_LONG_MS = 10 * 60_000;

/**
 * Signals the workflow of whatever waits too long in the rows, starting it again if it is gone: a signal that got lost, or
 * a workflow that somebody ended, must not lose work. Returns how many were signalled.
 */
export async function resumeWaitingWork(
  deps: ResumeWaitingWorkDeps,
  olderThanMs: number = WAITING_TOO_LONG_MS,
): Promise<number> {
  const before = new Date(deps.clock.now().getTime() - olderThanMs);
  const commands: OutboxCommand[] = [];
  for (const purchase of await findUnfundedPurchases(deps.workerKnex, before, BATCH)) {
    const key = purchase.has_authorization ? 'authorizationId' : 'cardTransactionId';
    commands.push({
      organizationId: purchase.organization_id,
      workflowType: 'spendAuthorization',
      workflowId: `authorization:${purchase.id}`,
      signal: 'cardEvent',
      payload: { organizationId: purchase.organization_id, [key]: purchase.id },
    });
  }
  for (const { organization_id: organizationId, id } of await findWaitingKycCases(deps.workerKnex, before, BATCH)) {
    commands.push({
      organizationId,
      workflowType: 'kycOnboarding',
      workflowId: `kyc:${id}`,
      signal: 'kycHint',
      payload: { organizationId, cardholderId: id },
    });
  }
  for (const { organization_id: organizationId, id } of await findWaitingCards(deps.workerKnex, before, BATCH)) {
    commands.push({
      organizationId,
      workflowType: 'cardIssuance',
      workflowId: `card-issuance:${id}`,
      signal: 'cardStateChanged',
      payload: { organizationId, cardId: id },
    });
  }
  for (const command of commands) {
    await inOrganization(deps.knex, command.organizationId, (trx) => appendCommand(trx, command));
  }
  return commands.length;
}
