import type { Page, PageRequest } from '../database/page';
import { findPage, findRow, findRowsOf } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import type { DrawOrderRow, RepaymentRow } from '../funding/funding.repository';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { LoanDrawRow, LoanDrawState } from './loan.repository';

export type { LoanDrawRow, RepaymentRow };

export interface LoanDrawWithOrders {
  readonly draw: LoanDrawRow;
  readonly orders: readonly DrawOrderRow[];
}

/** Draws of the organization, newest first. */
export async function listLoanDraws(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly accountId?: string | undefined;
    readonly state?: LoanDrawState | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<LoanDrawRow>> {
  const { organizationId, accountId, state, page } = input;
  return findPage<LoanDrawRow>(trx, 'loan_draws', organizationId, page, { where: { account_id: accountId, state } });
}

/** One draw with its borrowings on chain, or `not_found`. */
export async function showLoanDraw(
  trx: Transaction,
  input: { readonly organizationId: string; readonly drawId: string },
): Promise<Result<LoanDrawWithOrders, Refusal>> {
  const draw = await findRow<LoanDrawRow>(trx, 'loan_draws', input.organizationId, input.drawId);
  if (draw === undefined) return err(refusal('not_found', 'there is no draw with this id'));
  const orders = await findRowsOf<DrawOrderRow>(trx, 'draw_orders', input.organizationId, 'draw_id', [draw.id]);
  return ok({ draw, orders });
}

/** Repayments of the organization, out of funds and out of refunds, newest first. */
export async function listRepayments(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly accountId?: string | undefined;
    readonly state?: RepaymentRow['state'] | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<RepaymentRow>> {
  const { organizationId, accountId, state, page } = input;
  return findPage<RepaymentRow>(trx, 'repayments', organizationId, page, { where: { account_id: accountId, state } });
}

/** One repayment, or `not_found`. */
export async function showRepayment(
  trx: Transaction,
  input: { readonly organizationId: string; readonly repaymentId: string },
): Promise<Result<RepaymentRow, Refusal>> {
  const row = await findRow<RepaymentRow>(trx, 'repayments', input.organizationId, input.repaymentId);
  return row === undefined ? err(refusal('not_found', 'there is no repayment with this id')) : ok(row);
}
