import { creditLineOf, quoteSpend, SMALLEST_PURCHASE } from '../authorizations/quote-spend';
import type { SpendSnapshot } from '../authorizations/rules/spend-snapshot';
import { type CreditStanding, creditStanding } from '../credit/rules/credit-standing';
import type { LoanHealth } from '../credit/rules/loan-to-value';
import type { PriceState } from '../credit/rules/price-state';
import { type SpendingPower, spendingPower } from '../credit/rules/spending-power';
import type { Transaction } from '../database/transaction';
import { findOverdueParts, overdueInCollection } from '../funding/funding.repository';
import { type OverduePart, outstandingOverdue } from '../funding/rules/outstanding-overdue';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { divideRoundDown, divideRoundUp } from '../shared/rounding';
import { type AccountRow, findAccount, findHoldings, type HoldingRow } from './account.repository';

export type { AccountRow };

/** USD with 8 decimals in one cent. */
const E8_PER_CENT = 1_000_000n;

/** An account with everything a cardholder asks about it. Amounts are base units, `…Usd` cents, `…Bps` basis points. */
export interface AccountStanding {
  readonly account: AccountRow;
  readonly currency: string;
  readonly holdings: readonly HoldingRow[];
  /** The largest purchase that would be approved now at a merchant without allowance, cents. */
  readonly safeToSpend: bigint;
  readonly overdue: {
    /** Cents that sales under way will pay. */
    readonly inCollectionUsd: bigint;
    /** What is overdue for each clearing, the oldest first. */
    readonly parts: readonly OverduePart[];
  };
  readonly collateral: readonly {
    readonly asset: string;
    readonly amount: bigint;
    readonly valueUsd: bigint;
    readonly priceState: PriceState;
  }[];
  readonly credit: {
    readonly asset: string;
    readonly agreementAccepted: boolean;
    /** What stands on chain with its interest, rounded up. */
    readonly owed: bigint;
    /** Spent, and on its way to the chain. */
    readonly unconfirmed: bigint;
    /** Held by open authorizations. */
    readonly held: bigint;
    readonly available: bigint;
    readonly limitedBy: SpendingPower['limitedBy'];
    readonly collateralUsd: bigint;
    readonly borrowLimitUsd: bigint;
    readonly liquidationLimitUsd: bigint;
    readonly debtUsd: bigint;
    readonly debtWithHoldsUsd: bigint;
    readonly drawn: LoanHealth;
    /** The same with open holds counted as debt. */
    readonly withHolds: LoanHealth;
  };
}

/** The account with balances, credit and what is safe to spend, read at one instant. */
export async function showAccount(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: { readonly organizationId: string; readonly accountId: string },
): Promise<Result<AccountStanding, Refusal>> {
  const { organizationId, accountId } = input;
  const account = await findAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'there is no account with this id'));
  const quote = await quoteSpend(trx, deps, { organizationId, accountId, cardId: null, purchase: SMALLEST_PURCHASE });
  if (!quote.ok) return quote;
  const { snapshot, decision } = quote.value;
  const now = deps.clock.now();
  const standing = creditStanding({ ...creditLineOf(snapshot), now });
  return ok({
    account,
    currency: snapshot.currency,
    holdings: await findHoldings(trx, organizationId, accountId),
    safeToSpend: decision.largestAmount,
    overdue: {
      inCollectionUsd: await overdueInCollection(trx, organizationId, accountId),
      parts: outstandingOverdue(await findOverdueParts(trx, organizationId, accountId), account.overdue_amount),
    },
    collateral: standing.collateral.assets.map((each) => ({
      asset: each.asset,
      amount: each.amount,
      valueUsd: divideRoundDown(each.valueUsdE8, E8_PER_CENT),
      priceState: each.priceState,
    })),
    credit: creditOf(snapshot, standing, now),
  });
}

function creditOf(snapshot: SpendSnapshot, standing: CreditStanding, now: Date): AccountStanding['credit'] {
  const { credit } = snapshot;
  const loan = snapshot.fundingPolicy.sources.find((source) => source.kind === 'loan');
  const line = creditLineOf(snapshot);
  const power = spendingPower({ ...line, ltvMaxBps: loan?.ltvMaxBps ?? null, maxDebt: loan?.maxDebt ?? null, now });
  const { owed, drawn, withHolds } = standing;
  return {
    asset: line.borrowAsset,
    agreementAccepted: credit.agreementAccepted,
    owed,
    unconfirmed: credit.loanUnconfirmed,
    held: credit.loanHold,
    available: power.available,
    limitedBy: power.limitedBy,
    collateralUsd: divideRoundDown(power.collateral.valueUsdE8, E8_PER_CENT),
    borrowLimitUsd: divideRoundDown(power.collateral.borrowLimitUsdE8, E8_PER_CENT),
    liquidationLimitUsd: divideRoundDown(power.collateral.liquidationLimitUsdE8, E8_PER_CENT),
    debtUsd: divideRoundUp(drawn.debtUsdE8, E8_PER_CENT),
    debtWithHoldsUsd: divideRoundUp(withHolds.debtUsdE8, E8_PER_CENT),
    drawn,
    withHolds,
  };
}
