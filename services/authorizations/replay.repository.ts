import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import type { DecidedAmendment, DecidedLeg, DecidedRow } from './rules/receipt-of-row';

/** The document of a policy version; versions never change. */
export async function findPolicyVersion(
  db: Knex | Transaction,
  key: { readonly organizationId: string; readonly programId: string; readonly version: number },
): Promise<ProgramPolicy | null> {
  const row: { document: ProgramPolicy } | undefined = await db('program_policies')
    .where({ organization_id: key.organizationId, program_id: key.programId, version: key.version })
    .first('document');
  return row?.document ?? null;
}

/** What replaying reads of an authorization. */
export interface ReplayedRow extends DecidedRow {
  readonly receipt: string;
  readonly batch_id: string | null;
  readonly batch_ordinal: number | null;
  readonly created_at: Date;
}

export interface ReplayedLeg extends DecidedLeg {
  readonly id: string;
  readonly authorization_id: string;
}

/** What replaying reads of an answer on a known purchase. */
export interface ReplayedAmendment extends DecidedAmendment {
  readonly program_id: string;
  readonly leg_ids: readonly string[];
  readonly receipt: string | null;
  readonly batch_id: string | null;
}

const COLUMNS = [
  'id',
  'organization_id',
  'account_id',
  'card_id',
  'program_id',
  'content_hash',
  'currency',
  'requested_amount',
  'cash_amount',
  'merchant',
  'channel',
  'decline_reason',
  'receipt',
  'batch_id',
  'batch_ordinal',
  'created_at',
] as const;

function rowsToReplay(db: Knex): Knex.QueryBuilder<ReplayedRow, ReplayedRow[]> {
  return db('authorizations').select([...COLUMNS, db.raw('advised_at IS NOT NULL AS advised')]);
}

/** The authorization of this id, whosever it is. For roles that see every organization. */
export async function findToReplay(db: Knex, authorizationId: string): Promise<readonly ReplayedRow[]> {
  return rowsToReplay(db).where({ id: authorizationId }).whereIn('organization_id', db('organizations').select('id'));
}

/** Organizations in the order of their ids. */
export async function findOrganizationIds(db: Knex): Promise<readonly string[]> {
  return db('organizations').orderBy('id').pluck('id');
}

/** What an organization decided in [from, to), so many in the order of their ids. */
export interface PageToReplay {
  readonly organizationId: string;
  readonly from: Date;
  readonly to: Date;
  /** Ids are made in the order of time; these keep the search within it. */
  readonly afterId: string;
  readonly untilId: string;
  readonly limit: number;
}

/** Cuts the page out of `rows`, whose table goes by the name `of` in the query. */
function onePage(rows: Knex.QueryBuilder, of: string, page: PageToReplay): Knex.QueryBuilder {
  return rows
    .where(`${of}.organization_id`, page.organizationId)
    .where(`${of}.id`, '>', page.afterId)
    .where(`${of}.id`, '<=', page.untilId)
    .where(`${of}.created_at`, '>=', page.from)
    .where(`${of}.created_at`, '<', page.to)
    .orderBy(`${of}.id`)
    .limit(page.limit);
}

/** One page of an organization's authorizations. */
export async function findPageToReplay(db: Knex, page: PageToReplay): Promise<readonly ReplayedRow[]> {
  return onePage(rowsToReplay(db), 'authorizations', page);
}

export async function findLegsToReplay(
  db: Knex,
  rows: readonly Pick<ReplayedRow, 'organization_id' | 'id'>[],
): Promise<readonly ReplayedLeg[]> {
  const organizations = [...new Set(rows.map((row) => row.organization_id))];
  return db<ReplayedLeg>('funding_legs')
    .select('id', 'authorization_id', 'ordinal', 'kind', 'asset', 'held_amount', 'held_usd', 'price_usd_e8')
    .whereIn('organization_id', organizations)
    .whereIn(
      'authorization_id',
      rows.map((row) => row.id),
    );
}

const AMENDMENT_COLUMNS = [
  'm.id',
  'm.organization_id',
  'm.authorization_id',
  'm.account_id',
  'm.card_id',
  'm.content_hash',
  'm.kind',
  'm.outcome',
  'm.decline_reason',
  'm.requested_amount',
  'm.total_before',
  'm.granted',
  'm.given_back',
  'm.occurred_at',
  'm.respond_by',
  'm.leg_ids',
  'm.receipt',
  'm.batch_id',
  'a.program_id',
] as const;

function amendmentsToReplay(db: Knex): Knex.QueryBuilder<ReplayedAmendment, ReplayedAmendment[]> {
  return db('authorization_amendments AS m')
    .join('authorizations AS a', { 'a.organization_id': 'm.organization_id', 'a.id': 'm.authorization_id' })
    .select([...AMENDMENT_COLUMNS]);
}

/** What came on top of an authorization, in the order of its decisions. */
export async function findAmendmentsToReplay(
  db: Knex,
  authorization: Pick<ReplayedRow, 'organization_id' | 'id'>,
): Promise<readonly ReplayedAmendment[]> {
  return amendmentsToReplay(db)
    .where('m.organization_id', authorization.organization_id)
    .where('m.authorization_id', authorization.id)
    .orderBy('m.id');
}

/** One page of an organization's amendments. */
export async function findAmendmentPage(db: Knex, page: PageToReplay): Promise<readonly ReplayedAmendment[]> {
  return onePage(amendmentsToReplay(db), 'm', page);
}
