import type { Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { required } from '../shared/assert';
import { sumBigint } from '../shared/money';
import type { AuthorizationRow } from './authorization.repository';
import { findPolicyAt, type MovementRow, movementsOf, type PurchaseKey } from './card-event.repository';
import { type CardEventContext, isAllCash } from './card-event-context';
import { type FeeTerms, feeOfMovement, feeTerms, NO_FEE, type PurchaseMovement } from './rules/fees';
import { loadSpendSnapshot } from './spend-snapshot.repository';

interface MovedPurchase {
  readonly kind: PurchaseMovement['kind'];
  readonly purchase: PurchaseKey;
  /** The purchase's. */
  readonly authorization: AuthorizationRow | null;
}

/**
 * Cents of fee that a message brings for its purchase; of a refund, that it gives back. What is charged is by the clearings, each as it says
 * of itself: what was asked for has only been a forecast of them, on which the hold was placed. Cash at the till is what was asked for, as
 * clearings do not tell it.
 */
export async function feeOfEvent(trx: Transaction, context: CardEventContext, moved: MovedPurchase): Promise<bigint> {
  const { event, organizationId, account } = context;
  const { kind, purchase, authorization } = moved;
  if (event.amount === 0n || (kind === 'clearing' && isFree(context, authorization))) return 0n;
  const movements = await movementsOf(trx, purchase);
  const first = movements.find((each) => each.kind === 'clearing');
  const policy = await policyOf(
    trx,
    { organizationId, programId: account.program_id, accountId: account.id },
    authorization?.created_at ?? first?.recorded_at,
  );
  const termsOf = (merchantCurrency: string, cashWithdrawal: boolean) =>
    feeTerms(policy, {
      currency: event.currency,
      merchantCurrency,
      cashWithdrawal,
      cashAmount: authorization === null ? 0n : cashAtTheTill(authorization),
    });
  const before = {
    ...sumsOf(movements),
    cleared: movements
      .filter((each) => each.kind === 'clearing')
      .map((each) => ({
        amount: each.amount,
        terms: termsOf(each.merchant_currency, isCashWithdrawal(each, authorization)),
      })),
  };
  const { amount, merchantCurrency } = event;
  if (kind !== 'clearing') {
    const fee = feeOfMovement(before, { kind, amount });
    return kind === 'refund' ? -fee : fee;
  }
  return feeOfMovement(before, { kind, amount, terms: termsOf(merchantCurrency, isAllCash(event)) });
}

/** Nothing that a program could charge: the one clearing of most purchases, for which nothing need be read. */
function isFree({ event }: CardEventContext, authorization: AuthorizationRow | null): boolean {
  if (authorization === null || event.merchantCurrency !== event.currency || isAllCash(event)) return false;
  const { cleared_amount: cleared, refunded_amount: refunded } = authorization;
  return cashAtTheTill(authorization) === 0n && cleared === 0n && refunded === 0n;
}

/** Whether the message that a purchase began with was about cash as a whole. */
export function isAskedAsCash(purchase: Pick<AuthorizationRow, 'requested_amount' | 'cash_amount'>): boolean {
  return purchase.cash_amount > 0n && purchase.cash_amount === purchase.requested_amount;
}

/** Whether a purchase began as a withdrawal of cash, and its hold with the fixed part of the fee on that. */
export function beganWithCash(authorization: AuthorizationRow): boolean {
  const { kind, channel } = authorization;
  return kind === 'cash_withdrawal' || (kind === 'advice' && (channel === 'atm' || isAskedAsCash(authorization)));
}

/** What was asked for as cash at the till; a withdrawal is cash as a whole, if its clearing says so. */
export function cashAtTheTill({ kind, cash_amount: cash }: AuthorizationRow): bigint {
  return kind === 'cash_withdrawal' || kind === 'advice' ? 0n : cash;
}

/** Whether a clearing was cash as a whole; where that was not kept yet, as its request said, or its own amounts. */
function isCashWithdrawal(clearing: MovementRow, authorization: AuthorizationRow | null): boolean {
  if (clearing.cash_withdrawal !== null) return clearing.cash_withdrawal;
  if (authorization !== null && authorization.kind !== 'advice') return authorization.kind === 'cash_withdrawal';
  return clearing.cash_amount === clearing.amount;
}

/** The terms on which the purchase was asked for: what is held for its fee is by them. */
export async function termsAsked(trx: Transaction, authorization: AuthorizationRow): Promise<FeeTerms> {
  const { organization_id: organizationId, program_id: programId, account_id: accountId } = authorization;
  const { currency } = authorization;
  const { merchant_currency: merchantCurrency, cash_amount: cashAmount, created_at: madeAt } = authorization;
  const cashWithdrawal = beganWithCash(authorization);
  if (merchantCurrency === currency && !cashWithdrawal && cashAmount === 0n) return NO_FEE;
  const policy = await policyOf(trx, { organizationId, programId, accountId }, madeAt);
  return feeTerms(policy, {
    currency,
    merchantCurrency,
    cashWithdrawal,
    cashAmount: cashAtTheTill(authorization),
  });
}

/** What has cleared of a purchase, and the fee that was charged and not given back; not read where there is none to charge. */
export async function chargedSoFar(
  trx: Transaction,
  authorization: AuthorizationRow,
  terms: FeeTerms,
): Promise<{ readonly cleared: bigint; readonly charged: bigint }> {
  if (terms.fixed === 0n && terms.bps === 0) return { cleared: 0n, charged: 0n };
  const { organization_id: organizationId, id: authorizationId, account_id: accountId } = authorization;
  const { vendor, processor_authorization_id: processorAuthorizationId } = authorization;
  const key = { organizationId, accountId, vendor, processorAuthorizationId, authorizationId };
  return sumsOf(await movementsOf(trx, key));
}

/** Cents that the messages about a purchase's money come to. */
function sumsOf(movements: readonly MovementRow[]) {
  const sumOf = (what: MovementRow['kind'], column: 'amount' | 'fee_amount') =>
    sumBigint(movements.filter((each) => each.kind === what).map((each) => each[column]));
  return {
    cleared: sumOf('clearing', 'amount'),
    refunded: sumOf('refund', 'amount'),
    takenBack: sumOf('refund_reversal', 'amount'),
    charged: sumOf('clearing', 'fee_amount') + sumOf('refund_reversal', 'fee_amount') - sumOf('refund', 'fee_amount'),
  };
}

/**
 * The terms that were in force when the purchase was made, or first cleared where it has no authorization: what it was made on
 * stays, whatever the program decides since.
 */
async function policyOf(
  trx: Transaction,
  of: { readonly organizationId: string; readonly programId: string; readonly accountId: string },
  madeAt: Date | undefined,
): Promise<ProgramPolicy> {
  const then = madeAt === undefined ? undefined : await findPolicyAt(trx, of.organizationId, of.programId, madeAt);
  if (then !== undefined) return then;
  return required(await loadSpendSnapshot(trx, of.organizationId, of.accountId), 'the snapshot of an account').policy;
}
