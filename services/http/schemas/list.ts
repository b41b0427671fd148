import type { Page, PageRequest } from '../../database/page';
import type { IdKind } from '../../shared/ids';
import { Problem } from '../problem';
import { idInput, integerParameter } from './common';
import { z } from './zod';

/** An instant in a request. */
export const instant = z.iso
  .datetime({ offset: true, error: 'must be an instant such as 2026-11-01T12:00:00Z' })
  .transform((text) => new Date(text))
  .openapi({ type: 'string', format: 'date-time' });

/** The parameters every list takes, and the filters of one list. */
export function listQuery<Filters extends z.core.$ZodLooseShape = Record<never, never>>(
  kind: IdKind,
  filters: Filters,
) {
  return z.strictObject({
    limit: integerParameter(1, 100).optional().openapi({ description: 'How many to return; 20 when left out.' }),
    starting_after: idInput(kind).optional().openapi({ description: 'Return what is older than this one.' }),
    ending_before: idInput(kind).optional().openapi({ description: 'Return what is newer than this one.' }),
    created_from: instant.optional().openapi({ description: 'Recorded at this instant or later.' }),
    created_before: instant.optional().openapi({ description: 'Recorded before this instant.' }),
    ...filters,
  });
}

export interface ListQuery {
  readonly limit?: number | undefined;
  readonly starting_after?: string | undefined;
  readonly ending_before?: string | undefined;
  readonly created_from?: Date | undefined;
  readonly created_before?: Date | undefined;
}

export function toPageRequest(query: ListQuery): PageRequest {
  if (query.starting_after !== undefined && query.ending_before !== undefined) {
    throw new Problem('invalid_request', 'starting_after and ending_before exclude each other: send one of them', [
      { parameter: 'ending_before', code: 'excluded', detail: 'excluded by starting_after' },
    ]);
  }
  return {
    limit: query.limit ?? 20,
    ...(query.starting_after === undefined ? {} : { startingAfter: query.starting_after }),
    ...(query.ending_before === undefined ? {} : { endingBefore: query.ending_before }),
    ...(query.created_from === undefined ? {} : { from: query.created_from }),
    ...(query.created_before === undefined ? {} : { before: query.created_before }),
  };
}

export function listView<T extends z.ZodType>(item: T) {
  return z.strictObject({
    data: z.array(item),
    has_more: z.boolean().openapi({ description: 'Whether more follow in the direction that was asked for.' }),
  });
}

export function toListView<Row, View>(page: Page<Row>, view: (row: Row) => View): { data: View[]; has_more: boolean } {
  return { data: page.data.map(view), has_more: page.hasMore };
}
