import type { Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';

export type LoanDrawState = 'requested' | 'submitted' | 'confirmed' | 'failed' | 'repaid';

/** A row of `loan_draws`; amounts in base units of `asset`. */
export interface LoanDrawRow {
  readonly organization_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly asset: string;
  readonly venue: 'aave_v3';
  readonly state: LoanDrawState;
  readonly principal_posted: bigint;
  readonly principal_confirmed: bigint;
  readonly principal_repaid: bigint;
  readonly interest_posted: bigint;
  readonly interest_repaid: bigint;
  readonly shares: bigint;
  readonly venue_index_ray: bigint | null;
  readonly program_index_ray: bigint | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** Draws of an account, oldest first. */
export async function listDraws(trx: Transaction, organizationId: string, accountId: string): Promise<LoanDrawRow[]> {
  return trx<LoanDrawRow>('loan_draws')
    .where({ organization_id: organizationId, account_id: accountId })
    .orderBy([{ column: 'created_at' }, { column: 'id' }]);
}

export async function findDraw(
  trx: Transaction,
  organizationId: string,
  drawId: string,
): Promise<LoanDrawRow | undefined> {
  return trx<LoanDrawRow>('loan_draws').where({ organization_id: organizationId, id: drawId }).first();
}

/** Keeps the row that exists. */
export async function insertDrawIfMissing(
  trx: Transaction,
  row: Pick<LoanDrawRow, 'organization_id' | 'id' | 'account_id' | 'asset' | 'venue'>,
): Promise<void> {
  await trx('loan_draws')
    .insert({ ...row, state: 'requested' })
    .onConflict(['organization_id', 'id'])
    .ignore();
}

/** What is added to a draw's counters; all of them may be negative. */
export interface DrawDelta {
  readonly principalPosted?: bigint;
  readonly principalConfirmed?: bigint;
  readonly principalRepaid?: bigint;
  readonly interestPosted?: bigint;
  readonly interestRepaid?: bigint;
}

/** Adds to a draw's counters and sets what is given. Call it under the account's lock. */
export async function changeDraw(
  trx: Transaction,
  organizationId: string,
  drawId: string,
  delta: DrawDelta,
  set: Partial<Pick<LoanDrawRow, 'state' | 'shares' | 'venue_index_ray' | 'program_index_ray'>> = {},
): Promise<void> {
  const plus = (column: string, amount = 0n) => trx.raw(`${column} + ?::numeric`, [amount.toString()]);
  const { state, shares, venue_index_ray, program_index_ray } = set;
  await trx('loan_draws')
    .where({ organization_id: organizationId, id: drawId })
    .update({
      principal_posted: plus('principal_posted', delta.principalPosted),
      principal_confirmed: plus('principal_confirmed', delta.principalConfirmed),
      principal_repaid: plus('principal_repaid', delta.principalRepaid),
      interest_posted: plus('interest_posted', delta.interestPosted),
      interest_repaid: plus('interest_repaid', delta.interestRepaid),
      ...(state === undefined ? {} : { state }),
      ...(shares === undefined ? {} : { shares: shares.toString() }),
      ...(venue_index_ray === undefined ? {} : { venue_index_ray: venue_index_ray?.toString() ?? null }),
      ...(program_index_ray === undefined ? {} : { program_index_ray: program_index_ray?.toString() ?? null }),
      updated_at: trx.fn.now(),
    });
}

/**
 * Changes an account's loan aggregates: `loanUnconfirmed` and `overdueUsd` are added, `delegationLeft` is set, the debt's shares are
 * summed again from its draws. Call it under the account's lock.
 */
export async function changeAccountLoans(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  change: { readonly loanUnconfirmed?: bigint; readonly overdueUsd?: bigint; readonly delegationLeft?: bigint },
): Promise<void> {
  await trx.raw(
    `UPDATE accounts SET
       debt_shares = (SELECT coalesce(sum(shares), 0) FROM loan_draws
                       WHERE loan_draws.organization_id = accounts.organization_id AND loan_draws.account_id = accounts.id),
       loan_unconfirmed = loan_unconfirmed + ?::numeric,
       overdue_amount = overdue_amount + ?::numeric,
       delegation_left = coalesce(?::numeric, delegation_left),
       version = version + 1, updated_at = now()
     WHERE organization_id = ? AND id = ?`,
    [
      (change.loanUnconfirmed ?? 0n).toString(),
      (change.overdueUsd ?? 0n).toString(),
      change.delegationLeft?.toString() ?? null,
      organizationId,
      accountId,
    ],
  );
}

export interface CreditAgreementRow {
  readonly organization_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly terms_version: string;
  readonly venue_rate_bps: number;
  readonly spread_bps: number;
  readonly document_sha256: string;
  readonly accepted_at: Date;
}

export async function insertAgreement(trx: Transaction, row: CreditAgreementRow): Promise<void> {
  await trx('credit_agreements').insert(row);
}

export async function setAccountAgreement(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  agreementId: string,
): Promise<void> {
  await trx('accounts')
    .where({ organization_id: organizationId, id: accountId })
    .update({ credit_agreement_id: agreementId, version: trx.raw('version + 1'), updated_at: trx.fn.now() });
}

export async function findAgreement(
  trx: Transaction,
  organizationId: string,
  agreementId: string,
): Promise<CreditAgreementRow | undefined> {
  return trx<CreditAgreementRow>('credit_agreements')
    .where({ organization_id: organizationId, id: agreementId })
    .first();
}

/** A program as lending needs it. */
export interface ProgramTerms {
  readonly state: 'active' | 'disabled';
  readonly policy: ProgramPolicy;
  readonly spreadFactorRay: bigint;
  readonly spreadFactorAt: Date;
}

export async function readProgramTerms(
  trx: Transaction,
  organizationId: string,
  programId: string,
): Promise<ProgramTerms | undefined> {
  const row = await trx('programs as p')
    .join('program_policies as v', (join) =>
      join
        .on('v.organization_id', 'p.organization_id')
        .andOn('v.program_id', 'p.id')
        .andOn('v.version', 'p.policy_version'),
    )
    .where({ 'p.organization_id': organizationId, 'p.id': programId })
    .first('p.state', 'p.spread_factor_ray', 'p.spread_factor_at', 'v.document');
  if (row === undefined) return undefined;
  return {
    state: row.state,
    policy: row.document,
    spreadFactorRay: row.spread_factor_ray,
    spreadFactorAt: row.spread_factor_at,
  };
}
