import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';

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
  const { organizationId, type, resourceId, page } = input;
  return findPage<EventRow>(trx, 'events', organizationId, page, { where: { type, resource_id: resourceId } });
}
