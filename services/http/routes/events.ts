import { type EventRow, listEvents } from '../../outbox/list-events';
import { formatId, ID_PREFIX, type IdKind, parseId } from '../../shared/ids';
import { ok } from '../../shared/result';
import { type AnyRoute, route } from '../route';
import { idView, timestampView } from '../schemas/common';
import { listQuery, listView, toListView, toPageRequest } from '../schemas/list';
import { z } from '../schemas/zod';

const eventView = z
  .strictObject({
    id: idView('event'),
    type: z.string().openapi({ example: 'card.issued' }),
    resource_kind: z.string(),
    resource_id: z.string(),
    data: z.record(z.string(), z.unknown()).openapi({ description: 'The resource as it was when it happened.' }),
    created_at: timestampView,
  })
  .openapi('Event');

const KINDS = Object.keys(ID_PREFIX) as IdKind[];

function eventOf(row: EventRow): z.input<typeof eventView> {
  const kind = KINDS.find((known) => known === row.resource_kind);
  return {
    id: formatId('event', row.id),
    type: row.type,
    resource_kind: row.resource_kind,
    resource_id: kind === undefined ? row.resource_id : formatId(kind, row.resource_id),
    data: withPrefixedIds(row.data),
    created_at: row.created_at.toISOString(),
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Kind of the ids that events carry beside their resource. */
const KIND_OF_FIELD: Readonly<Record<string, IdKind>> = {
  account_id: 'account',
  authorization_id: 'authorization',
  card_id: 'card',
  card_transaction_id: 'cardTransaction',
  cardholder_id: 'cardholder',
  draw_id: 'loanDraw',
  leg_id: 'fundingLeg',
  original_transaction_id: 'cardTransaction',
  product_id: 'cardProduct',
  program_id: 'program',
  repayment_id: 'repayment',
};

/** Events are stored with plain ids, like every row; outside an id says what it is of. */
function withPrefixedIds(data: EventRow['data']): Record<string, unknown> {
  const entries = Object.entries(data).map(([field, value]): [string, unknown] => {
    const kind = Object.hasOwn(KIND_OF_FIELD, field) ? KIND_OF_FIELD[field] : undefined;
    return [field, kind !== undefined && typeof value === 'string' && UUID.test(value) ? formatId(kind, value) : value];
  });
  return Object.fromEntries(entries);
}

/** An id of any kind of resource. */
const anyId = z
  .string()
  .transform((text, context): string => {
    for (const kind of KINDS) {
      const parsed = parseId(kind, text);
      if (parsed.ok) return parsed.value;
    }
    context.addIssue({ code: 'custom', message: 'must be the id of a resource', params: { problem: 'malformed_id' } });
    return z.NEVER;
  })
  .openapi({ type: 'string' });

export function eventRoutes(): AnyRoute[] {
  return [
    route({
      method: 'get',
      path: '/v1/events',
      operationId: 'listEvents',
      summary: 'What happened, newest first',
      tag: 'Events',
      access: { kind: 'organization', scope: 'read' },
      query: listQuery('event', { type: z.string().max(80).optional(), resource_id: anyId.optional() }),
      status: 200,
      view: listView(eventView),
      handler: {
        kind: 'read',
        run: async (trx, { organizationId }, { query }) => {
          const page = await listEvents(trx, {
            organizationId,
            type: query.type,
            resourceId: query.resource_id,
            page: toPageRequest(query),
          });
          return ok(toListView(page, eventOf));
        },
      },
    }),
  ];
}
