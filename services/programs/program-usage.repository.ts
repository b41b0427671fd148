import type { Knex } from 'knex';
import type { StoredLimitCounters } from '../cards/rules/limit-counters';
import type { ProgramLimits } from './rules/program-policy';

/** A program whose policy caps what its accounts spend together. */
export interface CappedProgram {
  readonly organization_id: string;
  readonly id: string;
  readonly caps: ProgramLimits;
}

export async function findCappedPrograms(workerKnex: Knex): Promise<readonly CappedProgram[]> {
  return workerKnex('programs as p')
    .join('program_policies as q', (join) =>
      join
        .on('q.organization_id', 'p.organization_id')
        .andOn('q.program_id', 'p.id')
        .andOn('q.version', 'p.policy_version'),
    )
    .whereRaw("q.document -> 'program_limits' IS NOT NULL")
    .select<CappedProgram[]>('p.organization_id', 'p.id', workerKnex.raw("q.document -> 'program_limits' AS caps"));
}

/** Cents and purchases that stand. */
export interface Spent {
  readonly amount: bigint;
  readonly count: number;
}

/** An authorization's id may have been made this long before its row. */
const ID_MARGIN_MS = 60_000;

/** The least UUIDv7 of a millisecond. */
function firstIdOf(instant: Date): string {
  const hex = Math.max(instant.getTime(), 0).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

/** What of a purchase counts: all that may still be cleared, and once it has ended what was. */
const STANDING = `CASE
  WHEN state = 'pending' THEN approved_amount - reversed_amount
  WHEN state = 'partially_cleared' THEN greatest(approved_amount - reversed_amount, cleared_amount)
  ELSE cleared_amount END`;

/**
 * What a program's purchases authorized in [from, until) come to, once for each of `since`: only those authorized from then
 * on. Found by id, which is made of its time, so that only the period is read.
 */
export async function sumSpent(
  workerKnex: Knex,
  program: { readonly organizationId: string; readonly programId: string },
  period: { readonly from: Date; readonly until: Date | null },
  since: readonly Date[],
): Promise<readonly Spent[]> {
  const sums = since.map(
    (_, index) => `sum(standing) FILTER (WHERE created_at >= :since${index}) AS amount${index},
    count(*) FILTER (WHERE created_at >= :since${index}) AS count${index}`,
  );
  const starts = Object.fromEntries(since.map((instant, index) => [`since${index}`, instant]));
  const { rows }: { rows: Readonly<Record<string, bigint | null>>[] } = await workerKnex.raw(
    `SELECT ${sums.join(', ')} FROM (
       SELECT created_at, ${STANDING} AS standing FROM authorizations
       WHERE organization_id = :organizationId AND program_id = :programId AND id >= :firstId
         AND created_at >= :from ${period.until === null ? '' : 'AND created_at < :until'}
         AND state <> 'declined' AND approved_amount > 0
     ) purchase WHERE standing > 0`,
    {
      ...program,
      ...starts,
      firstId: firstIdOf(new Date(period.from.getTime() - ID_MARGIN_MS)),
      from: period.from,
      ...(period.until === null ? {} : { until: period.until }),
    },
  );
  return since.map((_, index) => ({
    amount: rows[0]?.[`amount${index}`] ?? 0n,
    count: Number(rows[0]?.[`count${index}`] ?? 0n),
  }));
}

/** Stores what a program has spent, for authorizations to read. */
export async function saveUsage(
  workerKnex: Knex,
  program: { readonly organizationId: string; readonly programId: string },
  windows: StoredLimitCounters,
  computedAt: Date,
): Promise<void> {
  await workerKnex('program_usage')
    .insert({
      organization_id: program.organizationId,
      program_id: program.programId,
      windows: JSON.stringify(windows),
      computed_at: computedAt,
    })
    .onConflict(['organization_id', 'program_id'])
    .merge(['windows', 'computed_at']);
}
