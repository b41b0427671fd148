import type { Knex } from 'knex';
import type { Page, PageRequest } from './page';
import type { Transaction } from './transaction';

export interface PageNarrowing {
  readonly where?: Readonly<Record<string, string | boolean | undefined>>;
  readonly narrow?: (query: Knex.QueryBuilder) => void;
  /** The column that `from` and `before` look at. */
  readonly timeColumn?: 'created_at' | 'recorded_at' | 'disposed_at' | 'acquired_at';
}

/**
 * One page of a tenant table, newest first. `where` narrows by column, `narrow` by anything else. Asking for what is
 * newer than a row gives the rows next to it, in the same order.
 */
export async function findPage<Row extends { readonly id: string }>(
  trx: Transaction,
  table: string,
  organizationId: string,
  page: PageRequest,
  narrowing: PageNarrowing = {},
): Promise<Page<Row>> {
  const backwards = page.endingBefore !== undefined;
  const timeColumn = narrowing.timeColumn ?? 'created_at';
  const query = trx(table)
    .where({ organization_id: organizationId })
    .orderBy('id', backwards ? 'asc' : 'desc')
    .limit(page.limit + 1);
  for (const [column, value] of Object.entries(narrowing.where ?? {})) {
    if (value !== undefined) query.where(column, value);
  }
  if (page.startingAfter !== undefined) query.where('id', '<', page.startingAfter);
  if (page.endingBefore !== undefined) query.where('id', '>', page.endingBefore);
  if (page.from !== undefined) query.where(timeColumn, '>=', page.from);
  if (page.before !== undefined) query.where(timeColumn, '<', page.before);
  narrowing.narrow?.(query);
  const rows: Row[] = await query;
  const data = rows.slice(0, page.limit);
  return { data: backwards ? data.reverse() : data, hasMore: rows.length > page.limit };
}

/** One row of a tenant table by its id. */
export async function findRow<Row>(
  trx: Transaction,
  table: string,
  organizationId: string,
  id: string,
): Promise<Row | undefined> {
  const rows: Row[] = await trx(table).where({ organization_id: organizationId, id }).limit(1);
  return rows[0];
}

/** Rows of a tenant table that carry one value in one column, oldest first. For what belongs to one resource, so never many. */
export async function findRowsOf<Row>(
  trx: Transaction,
  table: string,
  organizationId: string,
  column: string,
  values: readonly string[],
): Promise<Row[]> {
  if (values.length === 0) return [];
  return trx(table)
    .where({ organization_id: organizationId })
    .whereIn(column, [...values])
    .orderBy('id');
}
