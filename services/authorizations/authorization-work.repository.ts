import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';

export interface AuthorizationDeadline {
  readonly state: string;
  readonly expires_at: Date | null;
  /** When the program has its purchases funded. */
  readonly funding_at: ProgramPolicy['funding_at'];
}

export interface OpenPosting {
  readonly id: string;
  readonly kind: 'stablecoin_sale' | 'loan_draw';
}

export async function findAuthorizationDeadline(
  trx: Transaction,
  organizationId: string,
  authorizationId: string,
): Promise<AuthorizationDeadline | undefined> {
  const result: { rows: AuthorizationDeadline[] } = await trx.raw(
    `SELECT a.state, a.expires_at, q.document ->> 'funding_at' AS funding_at
       FROM authorizations a
       JOIN programs p ON p.organization_id = a.organization_id AND p.id = a.program_id
       JOIN program_policies q ON q.organization_id = p.organization_id AND q.program_id = p.id AND q.version = p.policy_version
      WHERE a.organization_id = ? AND a.id = ?`,
    [organizationId, authorizationId],
  );
  return result.rows[0];
}

export async function cardTransactionExists(
  trx: Transaction,
  organizationId: string,
  cardTransactionId: string,
): Promise<boolean> {
  const row = await trx('card_transactions')
    .where({ organization_id: organizationId, id: cardTransactionId })
    .first('id');
  return row !== undefined;
}

/** Postings of the purchase that no finished sale or draw has funded yet, oldest first. */
export async function findOpenPostings(
  trx: Transaction,
  organizationId: string,
  purchase: { readonly authorizationId: string } | { readonly cardTransactionId: string },
): Promise<OpenPosting[]> {
  const query = trx('leg_postings as p')
    .join('card_transactions as t', (join) =>
      join.on('t.organization_id', 'p.organization_id').andOn('t.id', 'p.card_transaction_id'),
    )
    .where('p.organization_id', organizationId)
    .whereIn('p.kind', ['stablecoin_sale', 'loan_draw'])
    .whereIn('p.state', ['posted', 'funding'])
    .orderBy('p.id');
  if ('authorizationId' in purchase) query.where('t.authorization_id', purchase.authorizationId);
  else query.where('t.id', purchase.cardTransactionId);
  return query.select<OpenPosting[]>('p.id', 'p.kind');
}

/** Holds past their deadline, of all organizations, longest overdue first. Needs the worker's role. */
export async function findOverdueHolds(
  knex: Knex,
  before: Date,
  limit: number,
): Promise<{ readonly organization_id: string; readonly id: string }[]> {
  return knex('authorizations')
    .whereIn('state', ['pending', 'partially_cleared'])
    .where('expires_at', '<=', before)
    .orderBy('expires_at')
    .limit(limit)
    .select('organization_id', 'id');
}
