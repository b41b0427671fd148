import type { Transaction } from '../database/transaction';
import type { OutboxCommand } from './append-command';
import type { OutboxEvent } from './append-event';

/** Channel on which a commit with new commands wakes the relay. */
export const COMMANDS_CHANNEL = 'escudo_outbox_commands';

export async function insertEvent(trx: Transaction, event: OutboxEvent & { readonly id: string }): Promise<void> {
  await trx('events').insert({
    organization_id: event.organizationId,
    id: event.id,
    type: event.type,
    resource_kind: event.resourceKind,
    resource_id: event.resourceId,
    data: JSON.stringify(event.data),
  });
}

/**
 * Inserts a command. Nobody is notified: NOTIFY takes one lock of the whole cluster at commit, so that commits would
 * queue behind each other; the relay asks often instead, over an index of the commands that still wait.
 */
export async function insertCommand(trx: Transaction, command: OutboxCommand & { readonly id: string }): Promise<void> {
  await trx('outbox_commands').insert({
    organization_id: command.organizationId,
    id: command.id,
    workflow_type: command.workflowType,
    workflow_id: command.workflowId,
    signal: command.signal ?? null,
    payload: JSON.stringify(command.payload),
  });
  await trx.raw(`NOTIFY ${COMMANDS_CHANNEL}`);
}
