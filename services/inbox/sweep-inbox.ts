import { claimDueInboxMessages } from './inbox.repository';
import type { InboxSource } from './inbox-source';
import { type ProcessMessageDeps, processMessage } from './process-message';

const LEASE_MS = 60_000;
const BATCH = 50;

/** Takes up stored messages that nobody finished: the process died, or acting on them failed. Returns how many it took. */
export async function sweepInbox(deps: ProcessMessageDeps, sources: readonly InboxSource[]): Promise<number> {
  const now = deps.clock.now();
  const rows = await claimDueInboxMessages(deps.knex, now, new Date(now.getTime() + LEASE_MS), BATCH);
  for (const row of rows) {
    const source = sources.find(({ vendor, topic }) => vendor === row.vendor && topic === row.topic);
    if (source !== undefined) await processMessage(deps, source, row);
  }
  return rows.length;
}
