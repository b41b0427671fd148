import type { Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { required } from '../shared/assert';
import { sumBigint } from '../shared/money';
import type { AuthorizationRow } from './authorization.repository';
import { findPolicyAt, type MovementRow, movementsOf, type PurchaseKey } from './card-event.repository';
import type { CardEventContext } from './card-event-context';
import { type ChargedSpend, feeOfMovement, feeTerms, type PurchaseMovement } from './rules/fees';
import { loadSpendSnapshot } from './spend-snapshot.repository';

interface MovedPurchase {
  readonly kind: PurchaseMovement['kind'];
  readonly purchase: PurchaseKey;
  /** The purchase's. */
  readonly authorization: AuthorizationRow | null;
}

/** Cents of fee that a message brings for its purchase; of a refund, that it gives back. */
export async function feeOfEvent(trx: Transaction, context: CardEventContext, moved: MovedPurchase): Promise<bigint> {
  const { event } = context;
  const { kind, purchase, authorization } = moved;
  if (event.amount === 0n || (kind !== 'refund' && isFree(context, authorization))) return 0n;
  const movements = await movementsOf(trx, purchase);
  const first = movements.find((each) => each.kind === 'clearing');
  const terms = feeTerms(
    await policyOf(trx, context, authorization?.created_at ?? first?.recorded_at),
    spendOf(context, authorization, movements),
  );
  const sumOf = (what: MovementRow['kind'], column: 'amount' | 'fee_amount') =>
    sumBigint(movements.filter((each) => each.kind === what).map((each) => each[column]));
  const before = {
    cleared: sumOf('clearing', 'amount'),
    refunded: sumOf('refund', 'amount'),
    takenBack: sumOf('refund_reversal', 'amount'),
    charged: sumOf('clearing', 'fee_amount') + sumOf('refund_reversal', 'fee_amount') - sumOf('refund', 'fee_amount'),
  };
  const fee = feeOfMovement(terms, before, { kind, amount: event.amount });
  return kind === 'refund' ? -fee : fee;
}

/** Nothing that a program could charge: most purchases, whose other messages need not be read. */
function isFree({ event }: CardEventContext, authorization: AuthorizationRow | null): boolean {
  if (authorization === null || authorization.kind === 'advice') return false;
  const { kind, merchant_currency: merchantCurrency, cash_amount: cashAmount } = authorization;
  return merchantCurrency === event.currency && kind !== 'cash_withdrawal' && cashAmount === 0n;
}

/** What the fee depends on. Where nobody asked for the purchase, its clearings say whether it is cash. */
function spendOf(
  { event }: CardEventContext,
  authorization: AuthorizationRow | null,
  movements: readonly MovementRow[],
): ChargedSpend {
  const clearings = movements.filter((each) => each.kind === 'clearing');
  const allCash =
    event.cashAmount === event.amount || clearings.some((clearing) => clearing.cash_amount === clearing.amount);
  return {
    currency: event.currency,
    merchantCurrency: authorization?.merchant_currency ?? clearings[0]?.merchant_currency ?? event.merchantCurrency,
    cashWithdrawal:
      authorization === null || authorization.kind === 'advice' ? allCash : authorization.kind === 'cash_withdrawal',
    cashAmount: authorization?.cash_amount ?? 0n,
  };
}

/**
 * The terms that were in force when the purchase was made, or first cleared where it has no authorization: what it was made on
 * stays, whatever the program decides since.
 */
async function policyOf(
  trx: Transaction,
  { organizationId, account }: CardEventContext,
  madeAt: Date | undefined,
): Promise<ProgramPolicy> {
  const then = madeAt === undefined ? undefined : await findPolicyAt(trx, organizationId, account.program_id, madeAt);
  if (then !== undefined) return then;
  return required(await loadSpendSnapshot(trx, organizationId, account.id), 'the snapshot of an account').policy;
}
