import type { Knex } from 'knex';

/** Work in rows that should have moved by now. */
export interface WaitingWork {
  readonly organization_id: string;
  readonly id: string;
}

/** Leaves out work whose workflow is about to be told anyway. `workflow_id` is made of a prefix and `id`. */
const NOT_TOLD_SOON = `NOT EXISTS (
  SELECT FROM outbox_commands c
  WHERE c.organization_id = work.organization_id AND c.done_at IS NULL AND c.workflow_id = ? || work.id
)`;

/** Postings that no funding has been started for, by purchase: the authorization, or the transaction that had none. */
export async function findUnfundedPurchases(
  knex: Knex,
  before: Date,
  limit: number,
): Promise<(WaitingWork & { readonly has_authorization: boolean })[]> {
  const found: { rows: (WaitingWork & { readonly has_authorization: boolean })[] } = await knex.raw(
    `SELECT * FROM (
       SELECT DISTINCT p.organization_id, coalesce(t.authorization_id, t.id) AS id,
         t.authorization_id IS NOT NULL AS has_authorization
       FROM leg_postings p
       JOIN card_transactions t ON t.organization_id = p.organization_id AND t.id = p.card_transaction_id
       WHERE p.state = 'posted' AND p.kind IN ('stablecoin_sale', 'loan_draw') AND p.created_at < ?
     ) work WHERE ${NOT_TOLD_SOON} LIMIT ?`,
    [before, 'authorization:', limit],
  );
  return found.rows;
}

/** Verifications that are with the vendor, or should be, and have not moved. */
export async function findWaitingKycCases(knex: Knex, before: Date, limit: number): Promise<WaitingWork[]> {
  const found: { rows: WaitingWork[] } = await knex.raw(
    `SELECT * FROM (
       SELECT organization_id, cardholder_id AS id FROM kyc_cases
       WHERE state IN ('delivering', 'reviewing') AND updated_at < ?
     ) work WHERE ${NOT_TOLD_SOON} LIMIT ?`,
    [before, 'kyc:', limit],
  );
  return found.rows;
}

/** Cards that the processor has not made, or holds in another state than we do. */
export async function findWaitingCards(knex: Knex, before: Date, limit: number): Promise<WaitingWork[]> {
  const found: { rows: WaitingWork[] } = await knex.raw(
    `SELECT * FROM (
       SELECT organization_id, id FROM cards
       WHERE updated_at < ? AND (
         state = 'pending'
         OR (card_token IS NOT NULL AND state IN ('active', 'paused', 'closed') AND processor_state IS DISTINCT FROM state)
       )
     ) work WHERE ${NOT_TOLD_SOON} LIMIT ?`,
    [before, 'card-issuance:', limit],
  );
  return found.rows;
}
