import type { Knex } from 'knex';
import { deleteFinishedCommands } from './outbox.repository';
import { deleteFinishedBatches } from './outbox-batch.repository';

const BATCHES_AT_ONCE = 5_000;

/** Removes what Temporal was told before `before`. Needs the worker's role. Returns how many rows went. */
export async function forgetFinished(knex: Knex, before: Date): Promise<number> {
  let gone = await deleteFinishedCommands(knex, before);
  for (let deleted = BATCHES_AT_ONCE; deleted === BATCHES_AT_ONCE; gone += deleted) {
    // In portions, so that no statement holds back the vacuum of a table that every batch writes to.
    deleted = await deleteFinishedBatches(knex, before, BATCHES_AT_ONCE);
  }
  return gone;
}
