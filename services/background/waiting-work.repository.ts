import type { Knex } from 'knex';

/** Work in rows that should have moved by now. */
export interface WaitingWork {
  readonly organization_id: string;
  readonly id: string;
}

/** Kinds of work that a workflow of their own carries. */
export type WaitingKind =
  | 'authorization_funding'
  | 'forced_transaction_funding'
  | 'sale'
  | 'draw'
  | 'kyc'
  | 'card'
  | 'deposit'
  | 'collateral'
  | 'repayment'
  | 'settlement'
  | 'backtest';

/** Each takes the instant before which a row must have moved. */
const QUERIES: Readonly<Record<WaitingKind, string>> = {
  authorization_funding: `
    SELECT DISTINCT p.organization_id, t.authorization_id AS id
    FROM leg_postings p
    JOIN card_transactions t ON t.organization_id = p.organization_id AND t.id = p.card_transaction_id
    WHERE p.state = 'posted' AND p.kind IN ('stablecoin_sale', 'loan_draw') AND t.authorization_id IS NOT NULL
      AND p.created_at < ?`,
  forced_transaction_funding: `
    SELECT DISTINCT p.organization_id, t.id
    FROM leg_postings p
    JOIN card_transactions t ON t.organization_id = p.organization_id AND t.id = p.card_transaction_id
    WHERE p.state = 'posted' AND p.kind IN ('stablecoin_sale', 'loan_draw') AND t.authorization_id IS NULL
      AND p.created_at < ?`,
  sale: `
    SELECT organization_id, id FROM leg_postings
    WHERE state = 'funding' AND kind <> 'loan_draw' AND updated_at < ?`,
  draw: `
    SELECT organization_id, id FROM leg_postings
    WHERE state = 'funding' AND kind = 'loan_draw' AND updated_at < ?`,
  kyc: `
    SELECT organization_id, cardholder_id AS id FROM kyc_cases
    WHERE state IN ('delivering', 'reviewing') AND updated_at < ?`,
  card: `
    SELECT organization_id, id FROM cards
    WHERE (state = 'pending'
        OR (card_token IS NOT NULL AND state IN ('active', 'paused', 'closed') AND processor_state IS DISTINCT FROM state))
      AND updated_at < ?`,
  deposit: `
    SELECT organization_id, id FROM deposits
    WHERE (state IN ('seen', 'confirmed') OR (state = 'credited' AND sweep_transaction_hash IS NULL)) AND updated_at < ?`,
  collateral: `
    SELECT organization_id, id FROM collateral_operations WHERE state IN ('requested', 'submitted') AND updated_at < ?`,
  repayment: `
    SELECT organization_id, id FROM repayments WHERE state IN ('requested', 'submitted') AND updated_at < ?`,
  settlement: `
    SELECT organization_id, id FROM settlements WHERE state <> 'reconciled' AND updated_at < ?`,
  backtest: `
    SELECT organization_id, id FROM backtests WHERE state IN ('requested', 'running') AND updated_at < ?`,
};

/**
 * Work of one kind, of all organizations, that has not moved since `before`. What is about to be told to its workflow
 * anyway (id: `workflowIdPrefix` and the row's id) is left out. Needs the worker's role.
 */
export async function findWaitingWork(
  knex: Knex,
  kind: WaitingKind,
  workflowIdPrefix: string,
  before: Date,
  limit: number,
): Promise<WaitingWork[]> {
  const found: { rows: WaitingWork[] } = await knex.raw(
    `WITH starting AS MATERIALIZED (
       SELECT (hold ->> 0)::uuid AS organization_id, 'authorization:' || (hold ->> 1) AS workflow_id
       FROM outbox_batches, jsonb_array_elements(holds) hold WHERE done_at IS NULL
     )
     SELECT work.organization_id, work.id FROM (${QUERIES[kind]}) work
     WHERE NOT EXISTS (
       SELECT FROM outbox_commands c
       WHERE c.organization_id = work.organization_id AND c.done_at IS NULL AND c.workflow_id = ? || work.id
     ) AND NOT EXISTS (
       SELECT FROM starting s WHERE s.organization_id = work.organization_id AND s.workflow_id = ? || work.id
     )
     LIMIT ?`,
    [before, workflowIdPrefix, workflowIdPrefix, limit],
  );
  return found.rows;
}
