import type { Pool } from 'pg';

/** A program whose requests are answered by its workflows. */
export interface WorkflowProgram {
  readonly organizationId: string;
  readonly programId: string;
  /** When its purchases are funded. */
  readonly fundingAt: 'clearing' | 'authorization';
}

/**
 * Every program on the workflow path; there are few, and an index holds only them. Where the fintech is asked for its own
 * decision, requests are answered directly: it may take longer than a workflow is waited for, and would be asked by both
 * paths. Needs the authorizer's role.
 */
export async function findWorkflowPrograms(pool: Pool): Promise<readonly WorkflowProgram[]> {
  const { rows } = await pool.query<WorkflowProgram>({
    name: 'workflow-programs',
    text: `SELECT p.organization_id AS "organizationId", p.id AS "programId",
        coalesce(v.document ->> 'funding_at', 'clearing') AS "fundingAt"
      FROM programs p
      JOIN program_policies v ON v.organization_id = p.organization_id AND v.program_id = p.id AND v.version = p.policy_version
      WHERE p.authorization_path = 'workflow'
        AND (v.document -> 'partner_decision' -> 'enabled') IS DISTINCT FROM 'true'::jsonb`,
  });
  return rows;
}

/** The program that a card belongs to, which never changes. Needs the authorizer's role. */
export async function findProgramOfCard(pool: Pool, vendor: string, cardToken: string): Promise<string | null> {
  const { rows } = await pool.query<{ programId: string }>({
    name: 'program-of-card',
    text: `SELECT a.program_id AS "programId" FROM card_routes r
      JOIN accounts a ON a.organization_id = r.organization_id AND a.id = r.account_id
      WHERE r.vendor = $1 AND r.card_token = $2`,
    values: [vendor, cardToken],
  });
  return rows[0]?.programId ?? null;
}

/**
 * Notes that answers were given whose holds another process placed, each in a batch of its own. Holds that share a batch
 * are left to the process that placed them. Needs the authorizer's role.
 */
export async function noteAnswersGiven(
  pool: Pool,
  holds: readonly { readonly organizationId: string; readonly authorizationId: string }[],
): Promise<void> {
  await pool.query({
    name: 'note-answers-given',
    text: `UPDATE outbox_batches b SET answered_at = now()
      FROM unnest($1::uuid[], $2::uuid[]) AS w(organization_id, authorization_id)
      JOIN authorizations a ON a.organization_id = w.organization_id AND a.id = w.authorization_id
      WHERE b.id = a.batch_id AND b.answered_at IS NULL AND jsonb_array_length(b.holds) = 1`,
    values: [holds.map(({ organizationId }) => organizationId), holds.map(({ authorizationId }) => authorizationId)],
  });
}
