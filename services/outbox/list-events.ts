import { firstEvents } from '../authorizations/first-event';
import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { required } from '../shared/assert';

export interface EventRow {
  readonly id: string;
  readonly type: string;
  readonly resource_kind: string;
  readonly resource_id: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly created_at: Date;
}

/** What the organization was told, newest first. */
export async function listEvents(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly type?: string | undefined;
    readonly resourceId?: string | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<EventRow>> {
  const { organizationId, type, resourceId } = input;
  const page = await findPage<EventRow & { readonly data: EventRow['data'] | null }>(
    trx,
    'all_events',
    organizationId,
    input.page,
    { where: { type, resource_id: resourceId } },
  );
  const derived = page.data.filter((row) => row.data === null).map((row) => row.id);
  if (derived.length === 0) return page;
  const data = await firstEvents(trx, organizationId, derived);
  return {
    hasMore: page.hasMore,
    data: page.data.map((row) => ({ ...row, data: row.data ?? required(data.get(row.id), 'the authorization') })),
  };
}
