import { bumpAccountVersion } from '../accounts/account.repository';
import { countersToStored } from '../cards/rules/limit-counters';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { postTransactions } from '../ledger/post-transactions';
import { placeAuthorizationHold } from '../ledger/templates/place-authorization-hold';
import { invariant } from '../shared/assert';
import { sumBigint } from '../shared/money';
import { overtakeAmendments } from './amendment.repository';
import { type AuthorizationRow, fundingLegsOf } from './authorization.repository';
import {
  type AuthorizationChange,
  addToAccount,
  changeAuthorization,
  insertLeg,
  saveCounters,
} from './card-event.repository';
import type { Amendment } from './rules/amendment';
import { isOpen, next } from './rules/authorization-state';
import type { Decision } from './rules/decide-authorization';

export interface ExtendHoldInput {
  readonly authorization: AuthorizationRow;
  /** What the message made of the purchase's amount. */
  readonly amendment: Amendment;
  /** Cents more that the merchant may clear. */
  readonly granted: bigint;
  /**
   * What is held for them (less than `granted` only where the network went ahead without asking), the fee within it, and what
   * the limits of the account and of `cardId` count.
   */
  readonly decision: Pick<Decision, 'legs' | 'feeAmount' | 'counters'>;
  readonly cardId: string;
  readonly messageId: string;
  readonly effectiveAt: Date;
  readonly expiresAt: Date;
  readonly advisedAt?: Date;
}

/**
 * Holds more for a purchase: legs of its own behind those it has, as a hold of their own on the ledger. A purchase that had
 * ended is open again. Under the account's lock.
 */
export async function extendHold(
  trx: Transaction,
  input: ExtendHoldInput,
): Promise<AuthorizationChange & { readonly legIds: readonly string[] }> {
  const { authorization, amendment } = input;
  const { organization_id: organizationId, id: authorizationId, account_id: accountId } = authorization;
  if (!isOpen(authorization.state)) await overtakeAmendments(trx, organizationId, authorizationId);
  const legs = await placeLegs(trx, input);
  const loans = legs.filter((leg) => leg.kind === 'loan_draw').map((leg) => leg.amount);
  if (loans.length > 0) await addToAccount(trx, organizationId, accountId, { loanHold: sumBigint(loans) });
  else await bumpAccountVersion(trx, organizationId, accountId);

  const transition = next(authorization.state, { kind: 'extended', cleared: authorization.cleared_amount > 0n });
  invariant(transition.kind !== 'refused', 'a purchase can always be extended');
  const { expires_at: expiresBefore } = authorization;
  const change = {
    state: transition.state,
    approvedAmount: amendment.total + authorization.reversed_amount + amendment.lapsed + input.granted,
    reversed: amendment.lapsed,
    holdAmount: authorization.hold_amount + sumBigint(legs.map((leg) => leg.amountUsd)),
    feeAmount: authorization.fee_amount + input.decision.feeAmount,
    expiresAt: expiresBefore !== null && expiresBefore > input.expiresAt ? expiresBefore : input.expiresAt,
    ...(input.advisedAt === undefined ? {} : { advisedAt: input.advisedAt }),
  };
  await changeAuthorization(trx, organizationId, authorizationId, change);
  const { counters } = input.decision;
  if (counters !== null) {
    // Also what the network told without asking: a reversal gives back only what was counted.
    await saveCounters(trx, organizationId, accountId, accountId, countersToStored(counters.account));
    if (counters.card)
      await saveCounters(trx, organizationId, accountId, input.cardId, countersToStored(counters.card));
  }
  return { ...change, legIds: legs.map((leg) => leg.legId) };
}

async function placeLegs(trx: Transaction, input: ExtendHoldInput) {
  const { authorization, messageId, effectiveAt } = input;
  const { organization_id: organizationId, id: authorizationId, account_id: accountId } = authorization;
  const legs = input.decision.legs.map((leg) => ({ ...leg, legId: newId(), holdTransferId: newId() }));
  if (legs.length === 0) return legs;
  await postTransactions(trx, organizationId, [
    placeAuthorizationHold({ authorizationId, accountId, increment: messageId, effectiveAt, legs }),
  ]);
  const known = await fundingLegsOf(trx, organizationId, [authorizationId]);
  const nextOrdinal = known.reduce((most, leg) => Math.max(most, leg.ordinal + 1), 0);
  for (const [position, leg] of legs.entries()) {
    await insertLeg(trx, {
      organization_id: organizationId,
      id: leg.legId,
      account_id: accountId,
      authorization_id: authorizationId,
      card_transaction_id: null,
      ordinal: nextOrdinal + position,
      kind: leg.kind,
      asset: leg.asset,
      price_usd_e8: leg.priceUsdE8,
      held_amount: leg.amount,
      held_usd: leg.amountUsd,
      posted_amount: 0n,
      posted_usd: 0n,
      released_amount: 0n,
      released_usd: 0n,
      refunded_amount: 0n,
      refunded_usd: 0n,
      hold_transfer_id: leg.holdTransferId,
    });
  }
  return legs;
}
