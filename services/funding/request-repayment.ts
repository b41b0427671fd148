import { lockAccount } from '../accounts/account.repository';
import { readProgramTerms } from '../credit/loan.repository';
import { grownSpreadFactorRoundUp, programIndexRoundUp } from '../credit/rules/interest';
import { owedRoundUp } from '../credit/rules/loan-to-value';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { fundsOf } from '../ledger/account-refs';
import { countersOfRef } from '../ledger/ledger.repository';
import { postTransactions } from '../ledger/post-transactions';
import { availableBalance } from '../ledger/rules/account-balance';
import { reserveRepayment } from '../ledger/templates/repay-loan';
import { appendCommand } from '../outbox/append-command';
import { readReserve } from '../pricing/price.repository';
import { secondsBetween } from '../pricing/watch-reserves';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { minBigint } from '../shared/money';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { basisPointsRoundUp } from '../shared/rounding';
import { findOpenRepayment, insertRepayment, type RepaymentRow } from './funding.repository';

/** Reserved on top of what is owed now, because interest runs until the repayment is in a block; what is not needed is given back. */
const RESERVE_MARGIN_BPS = 10;
const RESERVE_MARGIN_UNITS = 10_000n;

/**
 * Reserves stablecoins of the account to repay its loan, oldest draw first. `all` repays what is owed when it reaches the chain. Never
 * refused for the account's state: whoever owes may repay. One repayment at a time.
 */
export async function requestRepayment(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: {
    readonly organizationId: string;
    readonly accountId: string;
    readonly asset: string;
    /** Base units, or everything. */
    readonly amount: bigint | 'all';
  },
): Promise<Result<RepaymentRow, Refusal>> {
  const { organizationId, accountId, asset } = input;
  const account = await lockAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'No such account.'));
  const terms = required(await readProgramTerms(trx, organizationId, account.program_id), 'program of an account');
  const credit = terms.policy.credit;
  if (asset !== credit.borrow_asset) {
    return err(refusal('invalid_parameter', `The loan is in ${credit.borrow_asset}: repay it in that.`, '/asset'));
  }
  if (account.debt_shares === 0n) {
    const why = account.loan_unconfirmed > 0n ? 'The loan is not drawn yet. Try again shortly.' : 'Nothing is owed.';
    return err(refusal('state_conflict', why));
  }
  const open = await findOpenRepayment(trx, organizationId, accountId);
  if (open !== undefined)
    return err(refusal('state_conflict', 'A repayment is on its way. Wait until it is confirmed.'));
  const reserve = required(await readReserve(trx, credit.venue, asset), `reserve of ${asset}`);
  const now = deps.clock.now();
  const factor = grownSpreadFactorRoundUp(
    terms.spreadFactorRay,
    credit.spread_bps,
    secondsBetween(terms.spreadFactorAt, now),
  );
  const owed = owedRoundUp(account.debt_shares, programIndexRoundUp(reserve.borrowIndexRay, factor));
  const most = owed + basisPointsRoundUp(owed, RESERVE_MARGIN_BPS) + RESERVE_MARGIN_UNITS;
  const free = availableBalance(await countersOfRef(trx, organizationId, fundsOf(accountId, asset)));
  const wanted = input.amount === 'all' ? owed : minBigint(input.amount, most);
  if (wanted <= 0n) return err(refusal('amount_out_of_range', 'The amount must be above zero.', '/amount'));
  if (free < wanted) {
    return err(
      refusal('insufficient_funds', `The account has less ${asset} free than this repayment takes.`, '/amount'),
    );
  }
  const amount = input.amount === 'all' ? minBigint(free, most) : wanted;
  const row = await insertRepayment(trx, {
    organization_id: organizationId,
    id: newId(),
    account_id: accountId,
    asset,
    source: 'funds',
    amount,
    refund_id: null,
  });
  await postTransactions(trx, organizationId, [
    reserveRepayment({ repaymentId: row.id, accountId, asset, holdTransferId: row.id, amount, effectiveAt: now }),
  ]);
  await appendCommand(trx, {
    organizationId,
    workflowType: 'repayLoan',
    workflowId: `repayment:${row.id}`,
    payload: { organizationId, repaymentId: row.id },
  });
  return ok(row);
}
