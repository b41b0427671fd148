import type { Knex } from 'knex';
import { deleteFinishedCommands } from './outbox.repository';
import { deleteFinishedBatches } from './outbox-batch.repository';

/** In portions, so that no statement holds back the vacuum of tables that everything writes to. */
const AT_ONCE = 5_000;

/** Removes what Temporal was told before `before`. Needs the worker's role. Returns how many rows went. */
export async function forgetFinished(knex: Knex, before: Date): Promise<number> {
  const commands = await inPortions((limit) => deleteFinishedCommands(knex, before, limit));
  return commands + (await inPortions((limit) => deleteFinishedBatches(knex, before, limit)));
}

async function inPortions(remove: (limit: number) => Promise<number>): Promise<number> {
  let gone = 0;
  for (let removed = AT_ONCE; removed === AT_ONCE; gone += removed) removed = await remove(AT_ONCE);
  return gone;
}
