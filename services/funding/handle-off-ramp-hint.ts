import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import { findMessageRoute } from '../inbox/find-message-route';
import type { HintOutcome } from '../inbox/inbox-source';
import { appendCommand } from '../outbox/append-command';
import type { OffRamp, OffRampHint } from '../providers/off-ramp/port';
import { required } from '../shared/assert';
import { findPosting } from './funding.repository';

export interface HandleOffRampHintDeps {
  readonly knex: Knex;
  readonly offRamp: Pick<OffRamp, 'vendor'>;
}

/** Wakes the funding that the order belongs to, which asks the vendor itself: a webhook says that something changed, never what. */
export async function handleOffRampHint(deps: HandleOffRampHintDeps, hint: OffRampHint): Promise<HintOutcome> {
  const route = await findMessageRoute(deps.knex, deps.offRamp.vendor, hint.vendorOrderId);
  if (route === null) return { kind: 'unknown_reference' };
  const { organizationId, resourceId: postingId } = route;
  await inOrganization(deps.knex, organizationId, async (trx) => {
    const posting = required(await findPosting(trx, organizationId, postingId), `posting ${postingId}`);
    await appendCommand(trx, {
      organizationId,
      ...(posting.kind === 'loan_draw'
        ? { workflowType: 'drawLoan', workflowId: `draw:${postingId}` }
        : { workflowType: 'fundSale', workflowId: `sale:${postingId}` }),
      signal: 'offRampHint',
      payload: { organizationId, postingId },
    });
  });
  return { kind: 'handled' };
}
