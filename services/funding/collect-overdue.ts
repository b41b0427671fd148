import { lockAccount } from '../accounts/account.repository';
import { readProgramTerms } from '../credit/loan.repository';
import { priceState } from '../credit/rules/price-state';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { fundsOf } from '../ledger/account-refs';
import { countersOfRef } from '../ledger/ledger.repository';
import { postTransactions } from '../ledger/post-transactions';
import { availableBalance } from '../ledger/rules/account-balance';
import { takeForOverdue } from '../ledger/templates/collect-overdue';
import { appendCommand } from '../outbox/append-command';
import { readAssets, readPrices } from '../pricing/price.repository';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { minBigint } from '../shared/money';
import {
  insertOverdueCollection,
  insertSale,
  oldestOverdueTransaction,
  overdueInCollection,
  updatePostingState,
} from './funding.repository';
import { tokenToUsdRoundDown, usdToTokenRoundUp } from './rules/plan-funding';

export interface CollectOverdueDeps {
  readonly clock: Clock;
  readonly offRampVendor: string;
}

/**
 * Takes the account's stablecoins, in the program's order, for what is overdue and no sale is under way for. What is overdue falls when
 * the sale pays out, not before. A coin whose price is not known well enough is left alone: it is collected another time.
 */
export async function collectOverdue(
  trx: Transaction,
  deps: CollectOverdueDeps,
  input: { readonly organizationId: string; readonly accountId: string },
): Promise<void> {
  const { organizationId, accountId } = input;
  const account = required(await lockAccount(trx, organizationId, accountId), `account ${accountId}`);
  if (account.overdue_amount === 0n) return;
  let missing = account.overdue_amount - (await overdueInCollection(trx, organizationId, accountId));
  const cardTransactionId = await oldestOverdueTransaction(trx, organizationId, accountId);
  if (missing <= 0n || cardTransactionId === null) return;
  const terms = required(await readProgramTerms(trx, organizationId, account.program_id), 'program of an account');
  const prices = await readPrices(trx);
  const assets = await readAssets(trx);
  const now = deps.clock.now();
  for (const asset of terms.policy.stablecoins) {
    const price = prices[asset];
    const decimals = required(assets[asset], `asset ${asset}`).decimals;
    const state = priceState(price, now);
    if (price === undefined || (state !== 'fresh' && state !== 'aging')) continue;
    const free = availableBalance(await countersOfRef(trx, organizationId, fundsOf(accountId, asset)));
    const amountUsd = minBigint(missing, tokenToUsdRoundDown(free, price.priceUsdE8, decimals));
    if (amountUsd <= 0n) continue;
    const amount = usdToTokenRoundUp(amountUsd, price.priceUsdE8, decimals);
    const legId = newId();
    const postingId = newId();
    await insertOverdueCollection(trx, {
      organization_id: organizationId,
      leg_id: legId,
      posting_id: postingId,
      account_id: accountId,
      card_transaction_id: cardTransactionId,
      asset,
      amount,
      amount_usd: amountUsd,
      price_usd_e8: price.priceUsdE8,
    });
    await insertSale(trx, {
      organization_id: organizationId,
      id: postingId,
      leg_id: legId,
      account_id: accountId,
      asset,
      amount,
      covers_usd: amountUsd,
      vendor: deps.offRampVendor,
    });
    await updatePostingState(trx, organizationId, postingId, 'funding');
    await postTransactions(trx, organizationId, [
      takeForOverdue({ orderId: postingId, legId, accountId, asset, amount, effectiveAt: now }),
    ]);
    await appendCommand(trx, {
      organizationId,
      workflowType: 'fundSale',
      workflowId: `sale:${postingId}`,
      payload: { organizationId, postingId },
    });
    missing -= amountUsd;
    if (missing === 0n) return;
  }
}
