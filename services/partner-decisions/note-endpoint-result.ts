import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import { type EndpointResult, noteResult } from './partner-endpoint.repository';

export type { EndpointResult };

/** Stores what came of a question for people to see, and tells the fintech when its breaker opens and when it closes again. */
export async function noteEndpointResult(knex: Knex, result: EndpointResult): Promise<void> {
  await inOrganization(knex, result.organizationId, async (trx) => {
    const noted = await noteResult(trx, result);
    if (noted === null) return;
    const opened = result.breaker === 'open' && noted.breakerBefore === 'closed';
    const closed = result.breaker === 'closed' && noted.breakerBefore !== 'closed';
    if (!opened && !closed) return;
    await appendEvent(trx, {
      organizationId: result.organizationId,
      type: opened ? 'program.partner_unreachable' : 'program.partner_recovered',
      resourceKind: 'program',
      resourceId: result.programId,
      data: { url: noted.url, cause: result.cause, detail: result.detail },
    });
  });
}
