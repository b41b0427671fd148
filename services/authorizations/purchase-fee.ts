import type { Transaction } from '../database/transaction';
import type { ProgramPolicy } from '../programs/rules/program-policy';
import { required } from '../shared/assert';
import { sumBigint } from '../shared/money';
import type { AuthorizationRow } from './authorization.repository';
import { findPolicyAt, type MovementRow, movementsOf, type PurchaseKey } from './card-event.repository';
import type { CardEventContext } from './card-event-context';
import {
  type ChargedSpend,
  type FeeTerms,
  feeOfMovement,
  feeTerms,
  NO_FEE,
  type PurchaseMovement,
  type PurchaseMovements,
} from './rules/fees';
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
    await policyOf(
      trx,
      { organizationId: context.organizationId, programId: context.account.program_id, accountId: context.account.id },
      authorization?.created_at ?? first?.recorded_at,
    ),
    spendOf(context, authorization, movements),
  );
  const fee = feeOfMovement(terms, sumsOf(movements), { kind, amount: event.amount });
  return kind === 'refund' ? -fee : fee;
}

/** Nothing that a program could charge: most purchases, whose other messages need not be read. */
function isFree({ event }: CardEventContext, authorization: AuthorizationRow | null): boolean {
  if (authorization === null || authorization.kind === 'advice') return false;
  const { kind, merchant_currency: merchantCurrency, cash_amount: cashAmount } = authorization;
  return merchantCurrency === event.currency && kind !== 'cash_withdrawal' && cashAmount === 0n;
}

/** The terms on which the purchase was asked for: what is held for its fee is by them. */
export async function termsAsked(trx: Transaction, authorization: AuthorizationRow): Promise<FeeTerms> {
  const { organization_id: organizationId, program_id: programId, account_id: accountId } = authorization;
  const { kind, channel, currency } = authorization;
  const { merchant_currency: merchantCurrency, cash_amount: cashAmount, created_at: madeAt } = authorization;
  const cashWithdrawal = kind === 'cash_withdrawal' || (kind === 'advice' && channel === 'atm');
  if (merchantCurrency === currency && !cashWithdrawal && cashAmount === 0n) return NO_FEE;
  const policy = await policyOf(trx, { organizationId, programId, accountId }, madeAt);
  return feeTerms(policy, {
    currency,
    merchantCurrency,
    cashWithdrawal,
    cashAmount: kind === 'advice' ? 0n : cashAmount,
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
function sumsOf(movements: readonly MovementRow[]): PurchaseMovements & { readonly charged: bigint } {
  const sumOf = (what: MovementRow['kind'], column: 'amount' | 'fee_amount') =>
    sumBigint(movements.filter((each) => each.kind === what).map((each) => each[column]));
  return {
    cleared: sumOf('clearing', 'amount'),
    refunded: sumOf('refund', 'amount'),
    takenBack: sumOf('refund_reversal', 'amount'),
    charged: sumOf('clearing', 'fee_amount') + sumOf('refund_reversal', 'fee_amount') - sumOf('refund', 'fee_amount'),
  };
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
  of: { readonly organizationId: string; readonly programId: string; readonly accountId: string },
  madeAt: Date | undefined,
): Promise<ProgramPolicy> {
  const then = madeAt === undefined ? undefined : await findPolicyAt(trx, of.organizationId, of.programId, madeAt);
  if (then !== undefined) return then;
  return required(await loadSpendSnapshot(trx, of.organizationId, of.accountId), 'the snapshot of an account').policy;
}
