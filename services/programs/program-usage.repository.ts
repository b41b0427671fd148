import type { Knex } from 'knex';
import type { QueryNamed } from '../database/named-query';
import type { ProgramLimits } from './rules/program-policy';
import type { Spent, StoredProgramUsage } from './rules/program-usage';

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

/** The caps of a program's policy in force, or null. */
export async function findCaps(
  query: QueryNamed,
  program: { readonly organizationId: string; readonly programId: string },
): Promise<ProgramLimits | null> {
  const { rows } = await query(
    `SELECT q.document -> 'program_limits' AS caps FROM programs p
     JOIN program_policies q ON q.organization_id = p.organization_id AND q.program_id = p.id AND q.version = p.policy_version
     WHERE p.organization_id = :organizationId AND p.id = :programId`,
    { ...program },
  );
  return (rows[0]?.caps as ProgramLimits | null | undefined) ?? null;
}

/** An authorization's id may have been made this long before its row. */
const ID_MARGIN_MS = 60_000;

/** The least UUIDv7 of a millisecond. */
function firstIdOf(instant: Date): string {
  const hex = Math.max(instant.getTime(), 0).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

/**
 * What of a purchase counts: all that may still be cleared, and once it has ended what was. What a clearing counted for itself is taken
 * from it: that counts when it is cleared.
 */
const STANDING = `CASE
  WHEN a.state IN ('pending', 'partially_cleared') THEN greatest(a.approved_amount - a.reversed_amount, a.cleared_amount)
  ELSE a.cleared_amount END`;

/**
 * A clearing that limits counted for itself, and how much of it: above what was counted of its purchase before, or without a hold (of
 * no authorization that we know, of a declined purchase, of one that had ended). Rows of before that was kept say only the latter.
 */
const COUNTED_ALONE = `t.organization_id = :organizationId AND t.kind = 'clearing'
  AND (t.counted_amount > 0 OR (t.counted_amount IS NULL AND t.forced))`;
const COUNTED_AMOUNT = 'coalesce(t.counted_amount, t.amount)';

/** What was granted opened its purchase again, which had ended. In older rows only its receipt says so, or nothing that stood. */
const OPENED_AGAIN = `coalesce(g.opened_again, g.receipt::json #>> '{amendment,ended}' = 'true', g.total_before = 0)`;

/** What of a purchase was counted from an instant on, see {@link sumSpent}. */
function countedSince(instant: string): string {
  return `CASE WHEN created_at >= :${instant} THEN standing
    ELSE least(standing - least(standing, before_${instant}), granted_${instant}) END`;
}

/** Cents of the clearings of a purchase that limits counted for themselves, those before the amendment `g` or all of them. */
function countedAloneOf(authorizationId: string, beforeAmendment: boolean): string {
  return `(SELECT coalesce(sum(${COUNTED_AMOUNT}), 0) FROM card_transactions t
    WHERE ${COUNTED_ALONE} AND t.authorization_id = ${authorizationId} ${beforeAmendment ? 'AND t.id < g.id' : ''})`;
}

/** Whether a hold of the purchase was cleared between two ids of amendments; null: from its beginning, until now. */
function clearedBetween(authorizationId: string, after: string | null, before: string): string {
  return `EXISTS (SELECT 1 FROM card_transactions t WHERE t.organization_id = :organizationId AND t.kind = 'clearing' AND NOT t.forced
    AND t.authorization_id = ${authorizationId} ${after === null ? '' : `AND t.id > ${after}`} AND (${before} IS NULL OR t.id < ${before}))`;
}

/** Whether a clearing came before the purchase was known: that was counted as the purchase. */
function clearedBeforeKnown(authorizationId: string): string {
  return `EXISTS (SELECT 1 FROM card_transactions t WHERE t.organization_id = :organizationId AND t.kind = 'clearing' AND t.forced
    AND t.authorization_id = ${authorizationId} AND t.id < ${authorizationId})`;
}

/**
 * What a program spent in [from, until), once for each of `since`: only what was counted from then on. Found by ids, which are made
 * of their time, so that only the period is read.
 *
 * A purchase counts when it is put on record, what was approved or told on top when that was, and what is cleared above what was
 * counted of it, or without a hold, when it is cleared. What was given back is taken from what was counted last, as the account's own
 * limits have it: of a purchase from before an instant, what the totals before its later grants leave is counted before it. Where an
 * answer was not heard, those totals say too much, and all that was granted since counts, as far as the purchase still comes to it. So
 * a sum may be above what stands by what was given back meanwhile, and never below it.
 *
 * As one purchase counts each beginning that stands: the first, one that opened the purchase again after it had ended, and a clearing
 * when nothing of its purchase was counted. The first two stand while the purchase is open, and once anything was cleared before it ended.
 */
export async function sumSpent(
  query: QueryNamed,
  program: { readonly organizationId: string; readonly programId: string },
  period: { readonly from: Date; readonly until: Date | null },
  since: readonly Date[],
): Promise<readonly Spent[]> {
  const { from, until } = period;
  const instants = since.map((_, index) => `since${index}`);
  const bounds = until === null ? instants : [...instants, 'until'];
  const beforeEnd = (at: string) => (until === null ? '' : `AND ${at} < :until`);
  const lessAfterEnd = (of: (instant: string) => string) => (until === null ? '' : `- ${of('until')}`);
  const { rows } = await query(
    `WITH alone AS MATERIALIZED (
       SELECT t.authorization_id, t.processor_authorization_id, ${COUNTED_AMOUNT} AS amount, t.recorded_at, t.counted_as_purchase
       FROM card_transactions t WHERE ${COUNTED_ALONE} AND t.program_id = :programId AND t.id >= :firstId
     ), granted AS MATERIALIZED (
       SELECT g.authorization_id, g.id, g.created_at, g.granted, g.answer_state, ${OPENED_AGAIN} AS opened_again,
         greatest(g.total_before - ${countedAloneOf('g.authorization_id', true)}, 0) AS before
       FROM authorization_amendments g
       WHERE g.organization_id = :organizationId AND g.id >= :firstId AND g.created_at >= :from AND g.granted > 0
     ), raised AS MATERIALIZED (
       SELECT g.authorization_id,
         ${bounds.map((bound) => `sum(g.granted) FILTER (WHERE g.created_at >= :${bound}) AS granted_${bound}, min(g.before) FILTER (WHERE g.created_at >= :${bound}) AS before_${bound}`).join(', ')}
       FROM granted g WHERE g.answer_state IS DISTINCT FROM 'taken_back' GROUP BY g.authorization_id
     ), opened AS MATERIALIZED (
       SELECT g.authorization_id, g.id, g.created_at, lead(g.id) OVER (PARTITION BY g.authorization_id ORDER BY g.id) AS next_id
       FROM granted g WHERE g.opened_again
     ), known AS MATERIALIZED (
       SELECT r.*, ${countedAloneOf('r.authorization_id', false)} AS alone_amount,
         EXISTS (SELECT 1 FROM authorization_amendments g WHERE g.organization_id = :organizationId
           AND g.authorization_id = r.authorization_id AND g.answer_state = 'taken_back')
         OR EXISTS (SELECT 1 FROM authorizations a JOIN card_messages m ON m.organization_id = a.organization_id
             AND m.vendor = a.vendor AND m.message_id = a.message_id
           WHERE a.organization_id = :organizationId AND a.id = r.authorization_id AND a.kind <> 'advice') AS unheard
       FROM raised r
     ), purchase AS (
       SELECT a.created_at, ${STANDING} - coalesce(a.alone_amount, a.cleared_alone, 0) AS standing, ${raisedNames(bounds)},
         a.decline_reason IS NULL AND NOT ${clearedBeforeKnown('a.id')} AND CASE
           WHEN a.opened_id IS NULL THEN ${STANDING} > coalesce(a.alone_amount, a.cleared_alone, 0)
           ELSE ${clearedBetween('a.id', null, 'a.opened_id')} END AS first_stands
       FROM (SELECT a.*, k.alone_amount, f.amount AS cleared_alone, o.id AS opened_id, ${raisedColumns(bounds)}
         FROM (SELECT a.id, a.created_at, a.state, a.approved_amount, a.reversed_amount, a.cleared_amount, a.decline_reason
           FROM authorizations a
           WHERE a.organization_id = :organizationId AND a.program_id = :programId AND a.id >= :firstId
             AND a.created_at >= :from ${beforeEnd('a.created_at')} AND a.state <> 'declined' AND a.approved_amount > 0) a
         -- Full, so that they are hashed: of the last seconds there are no statistics, and where one row of each is expected,
         -- each purchase would be held against every one of the others.
         FULL JOIN known k ON k.authorization_id = a.id
         FULL JOIN (SELECT authorization_id, sum(amount) AS amount FROM alone GROUP BY 1) f ON f.authorization_id = a.id
         FULL JOIN (SELECT DISTINCT ON (authorization_id) authorization_id, id FROM opened ORDER BY authorization_id, id) o
           ON o.authorization_id = a.id
         OFFSET 0) a
       WHERE a.id IS NOT NULL
       UNION ALL
       SELECT a.created_at, ${STANDING} - k.alone_amount AS standing, ${raisedColumns(bounds)}, false AS first_stands
       FROM known k JOIN authorizations a ON a.organization_id = :organizationId AND a.id = k.authorization_id
       WHERE a.program_id = :programId AND a.created_at < :from
     ), spent AS (
       SELECT ${instants.map((instant) => `sum(${countedSince(instant)} ${lessAfterEnd(countedSince)}) FILTER (WHERE standing > 0) AS amount_${instant}, count(*) FILTER (WHERE first_stands AND created_at >= :${instant}) AS count_${instant}`).join(', ')}
       FROM purchase
     ), again AS (
       SELECT ${instants.map((instant) => `count(*) FILTER (WHERE o.created_at >= :${instant} ${beforeEnd('o.created_at')}) AS count_${instant}`).join(', ')}
       FROM opened o JOIN authorizations a ON a.organization_id = :organizationId AND a.id = o.authorization_id
       WHERE a.program_id = :programId AND ((o.next_id IS NULL AND a.state IN ('pending', 'partially_cleared'))
         OR ${clearedBetween('a.id', 'o.id', 'o.next_id')})
     ), cleared AS (
       SELECT ${instants.map((instant) => `sum(t.amount) FILTER (WHERE t.recorded_at >= :${instant}) AS amount_${instant}, count(*) FILTER (WHERE t.recorded_at >= :${instant} AND t.counted_as_purchase) + count(DISTINCT coalesce(t.authorization_id::text, t.processor_authorization_id)) FILTER (WHERE t.recorded_at >= :${instant} AND t.counted_as_purchase IS NULL AND t.without_purchase) AS count_${instant}`).join(', ')}
       FROM (SELECT f.*, a.id IS NULL OR a.approved_amount = 0 OR a.state IN ('declined', 'expired', 'reversed') AS without_purchase
         FROM alone f LEFT JOIN authorizations a ON a.organization_id = :organizationId AND a.id = f.authorization_id
         WHERE f.recorded_at >= :from ${beforeEnd('f.recorded_at')}) t
     )
     SELECT ${instants.map((instant) => `coalesce(spent.amount_${instant}, 0) + coalesce(cleared.amount_${instant}, 0) AS amount_${instant}, spent.count_${instant} + again.count_${instant} + cleared.count_${instant} AS count_${instant}`).join(', ')}
     FROM spent, again, cleared`,
    {
      ...program,
      ...Object.fromEntries(since.map((instant, index) => [`since${index}`, between(from, instant, until)])),
      firstId: firstIdOf(new Date(from.getTime() - ID_MARGIN_MS)),
      from,
      ...(until === null ? {} : { until }),
    },
  );
  return instants.map((instant) => ({
    amount: BigInt(String(rows[0]?.[`amount_${instant}`] ?? 0)),
    count: Number(rows[0]?.[`count_${instant}`] ?? 0),
  }));
}

function raisedNames(bounds: readonly string[]): string {
  return bounds.map((bound) => `a.granted_${bound}, a.before_${bound}`).join(', ');
}

/** Of what was granted on top of a purchase: how much since each instant, and what of the purchase was counted before it. */
function raisedColumns(bounds: readonly string[]): string {
  return bounds
    .map(
      (bound) => `coalesce(k.granted_${bound}, 0) AS granted_${bound},
         CASE WHEN k.unheard OR k.before_${bound} IS NULL THEN 0 ELSE k.before_${bound} END AS before_${bound}`,
    )
    .join(', ');
}

/** Stores what a program has spent, for authorizations to read; with `unlessNewer` not in the place of a sum that began later. */
export async function saveUsage(
  query: QueryNamed,
  program: { readonly organizationId: string; readonly programId: string },
  windows: StoredProgramUsage,
  { computedAt, unlessNewer }: { readonly computedAt: Date; readonly unlessNewer: boolean },
): Promise<void> {
  await query(
    `INSERT INTO program_usage AS u (organization_id, program_id, windows, computed_at)
     VALUES (:organizationId, :programId, :windows, :computedAt)
     ON CONFLICT (organization_id, program_id) DO UPDATE SET windows = excluded.windows, computed_at = excluded.computed_at
       ${unlessNewer ? 'WHERE u.computed_at <= excluded.computed_at' : ''}`,
    { ...program, windows: JSON.stringify(windows), computedAt },
  );
}

/** A window that begins after the time that is read has nothing in it yet. */
function between(from: Date, instant: Date, until: Date | null): Date {
  if (until !== null && instant > until) return until;
  return instant > from ? instant : from;
}
