import { type AccountRow, lockAccount } from '../accounts/account.repository';
import { type ProgramTerms, readProgramTerms } from '../credit/loan.repository';
import { grownSpreadFactorRoundUp, programIndexRoundUp } from '../credit/rules/interest';
import { debtValueUsdE8RoundUp, owedRoundUp, valueCollateral } from '../credit/rules/loan-to-value';
import { type PriceState, priceState } from '../credit/rules/price-state';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { collateralOf } from '../ledger/account-refs';
import { countersOfRef } from '../ledger/ledger.repository';
import { postTransactions } from '../ledger/post-transactions';
import { availableBalance } from '../ledger/rules/account-balance';
import { reserveRelease } from '../ledger/templates/release-collateral';
import { appendCommand } from '../outbox/append-command';
import { readAssets, readPrices, readReserve } from '../pricing/price.repository';
import { secondsBetween } from '../pricing/watch-reserves';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CollateralOperationRow, insertOperation } from './collateral.repository';
import type { CollateralRequest } from './pledge-collateral';

/**
 * Asks for collateral back. Refused when what is left would not carry the debt with every open hold in it (`would_break_health`), or, while
 * anything is owed, when a price is too old to tell (`price_unavailable`). From the request on it backs no new borrowing.
 */
export async function releaseCollateral(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: CollateralRequest,
): Promise<Result<CollateralOperationRow, Refusal>> {
  const { organizationId, accountId, asset, amount } = input;
  const account = await lockAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'No such account.'));
  if (amount <= 0n) return err(refusal('amount_out_of_range', 'The amount must be above zero.', '/amount'));
  const free = availableBalance(await countersOfRef(trx, organizationId, collateralOf(accountId, asset)));
  if (free < amount) {
    return err(refusal('insufficient_funds', `Less ${asset} than that is pledged.`, '/amount'));
  }
  const terms = required(await readProgramTerms(trx, organizationId, account.program_id), 'program of an account');
  const now = deps.clock.now();
  const health = await checkHealth(trx, account, terms, { asset, amount }, now);
  if (!health.ok) return health;
  const id = newId();
  const row = await insertOperation(trx, {
    organization_id: organizationId,
    id,
    account_id: accountId,
    kind: 'release',
    asset,
    amount,
  });
  await postTransactions(trx, organizationId, [
    reserveRelease({ operationId: id, accountId, asset, amount, holdTransferId: id, effectiveAt: now }),
  ]);
  await appendCommand(trx, {
    organizationId,
    workflowType: 'moveCollateral',
    workflowId: `collateral:${id}`,
    payload: { organizationId, operationId: id },
  });
  return ok(row);
}

async function checkHealth(
  trx: Transaction,
  account: AccountRow,
  terms: ProgramTerms,
  taken: { readonly asset: string; readonly amount: bigint },
  now: Date,
): Promise<Result<null, Refusal>> {
  const { credit } = terms.policy;
  const reserve = await readReserve(trx, credit.venue, credit.borrow_asset);
  const factor = grownSpreadFactorRoundUp(
    terms.spreadFactorRay,
    credit.spread_bps,
    secondsBetween(terms.spreadFactorAt, now),
  );
  const owed =
    reserve === null ? 0n : owedRoundUp(account.debt_shares, programIndexRoundUp(reserve.borrowIndexRay, factor));
  const debt = owed + account.loan_hold + account.loan_unconfirmed;
  if (debt === 0n && account.debt_shares === 0n) return ok(null);
  const prices = await readPrices(trx);
  const assets = await readAssets(trx);
  const borrowPrice = prices[credit.borrow_asset];
  const [unknown] = [taken.asset, credit.borrow_asset].filter((asset) => !isKnown(priceState(prices[asset], now)));
  if (reserve === null || borrowPrice === undefined || unknown !== undefined) {
    const asset = unknown ?? credit.borrow_asset;
    const state = reserve === null ? 'not known at the venue yet' : priceState(prices[asset], now);
    return err(
      refusal('price_unavailable', `The price of ${asset} is ${state}: collateral stays until it is known again.`),
    );
  }
  const left: Record<string, bigint> = {};
  for (const asset of Object.keys(credit.collateral)) {
    const counters = await countersOfRef(trx, account.organization_id, collateralOf(account.id, asset));
    left[asset] = availableBalance(counters) - (asset === taken.asset ? taken.amount : 0n);
  }
  const decimals = Object.fromEntries(Object.values(assets).map((asset) => [asset.code, asset.decimals]));
  const summary = valueCollateral(left, credit.collateral, prices, decimals, now);
  const debtUsdE8 = debtValueUsdE8RoundUp(debt, borrowPrice.priceUsdE8, decimals[credit.borrow_asset] ?? 0);
  if (debtUsdE8 > summary.borrowLimitUsdE8) {
    return err(
      refusal('would_break_health', 'What is left would not carry the loan. Release less, or repay first.', '/amount'),
    );
  }
  return ok(null);
}

/** Well enough to give something away on it. */
function isKnown(state: PriceState): boolean {
  return state === 'fresh' || state === 'aging';
}
