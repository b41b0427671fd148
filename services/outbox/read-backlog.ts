import type { Knex } from 'knex';
import { readCommandBacklog, type SourceBacklog } from './outbox.repository';
import { readBatchBacklog } from './outbox-batch.repository';
import type { OutboxSource } from './relay';

export type Backlog = Readonly<Record<OutboxSource, SourceBacklog>>;

/** What Temporal has not been told yet. Needs the worker's role. */
export async function readBacklog(knex: Knex): Promise<Backlog> {
  const [commands, batches] = await Promise.all([readCommandBacklog(knex), readBatchBacklog(knex)]);
  return { commands, batches };
}
