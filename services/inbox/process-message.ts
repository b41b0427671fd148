import type { Knex } from 'knex';
import type { Clock } from '../shared/clock';
import { finishInboxMessage, type InboxRow, postponeInboxMessage } from './inbox.repository';
import type { InboxResult, InboxSource } from './inbox-source';

export interface ProcessMessageDeps {
  readonly knex: Knex;
  readonly clock: Clock;
}

export type ProcessOutcome = InboxResult | { readonly kind: 'deferred'; readonly detail: string };

const ATTEMPTS_MAX = 20;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 900_000;

/** Acts on a stored message and records what came of it. An error is a surprise: it is tried again, and at last alerted. */
export async function processMessage(
  deps: ProcessMessageDeps,
  source: InboxSource,
  row: Pick<InboxRow, 'vendor' | 'message_id' | 'raw' | 'headers' | 'received_at' | 'attempts'>,
): Promise<ProcessOutcome> {
  const { vendor, message_id: messageId } = row;
  try {
    const result = await source.process({ raw: row.raw, headers: row.headers, receivedAt: row.received_at });
    await finishInboxMessage(deps.knex, vendor, messageId, {
      state: result.kind,
      detail: result.kind === 'processed' ? null : result.detail,
      at: deps.clock.now(),
    });
    return result;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const wait = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** row.attempts);
    await postponeInboxMessage(deps.knex, vendor, messageId, {
      detail,
      nextAttemptAt: new Date(deps.clock.now().getTime() + wait),
      final: row.attempts + 1 >= ATTEMPTS_MAX,
    });
    return { kind: 'deferred', detail };
  }
}
