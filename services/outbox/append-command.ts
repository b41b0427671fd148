import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import type { WorkflowType } from '../temporal/port';
import { insertCommand } from './outbox.repository';

/** What Temporal is to be told once the caller's transaction has committed. */
export interface OutboxCommand {
  readonly organizationId: string;
  readonly workflowType: WorkflowType;
  /** Deterministic business key, e.g. `card-issuance:<cardId>`: a repetition finds the workflow that already exists. */
  readonly workflowId: string;
  /** Absent: start only, and never again once it ran. Present: signal, starting the workflow first when it does not run. */
  readonly signal?: string;
  /** The workflow's input: `{organizationId, …Id}`. Ids only, no personal data. */
  readonly payload: Readonly<Record<string, string>>;
}

/**
 * Writes a command in the caller's transaction; the relay carries it to Temporal afterwards, at least once. A signal
 * carries the returned id as its message id, so that a repetition changes nothing.
 */
export async function appendCommand(trx: Transaction, command: OutboxCommand): Promise<string> {
  const id = newId();
  await insertCommand(trx, { id, ...command });
  return id;
}
