import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import type { IdKind } from '../shared/ids';
import { insertEvent } from './outbox.repository';

/** Something that happened, as the fintech is told of it. */
export interface OutboxEvent {
  readonly organizationId: string;
  /** `resource.event` in the past tense, e.g. `card.issued`. */
  readonly type: string;
  readonly resourceKind: IdKind;
  /** Plain UUID of the resource; it gets its prefix at the edge. */
  readonly resourceId: string;
  /** The resource as it is at this commit. Amounts as decimal strings. No personal data: rows of events outlive erasure. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Writes an event in the caller's transaction: it exists if and only if what it tells of does. Returns its id. */
export async function appendEvent(trx: Transaction, event: OutboxEvent): Promise<string> {
  const id = newId();
  await insertEvent(trx, { id, ...event });
  return id;
}
