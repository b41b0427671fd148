import { countersNow, countersToStored, giveBack } from '../cards/rules/limit-counters';
import type { Transaction } from '../database/transaction';
import { postTransactions } from '../ledger/post-transactions';
import { releaseAuthorizationHold } from '../ledger/templates/release-authorization-hold';
import { sumBigint } from '../shared/money';
import type { AuthorizationRow } from './authorization.repository';
import { addToAccount, addToLeg, findCounters, saveCounters } from './card-event.repository';
import type { LegShare } from './rules/hold-legs';

export interface ReleaseHoldInput {
  readonly organizationId: string;
  readonly authorizationId: string;
  readonly accountId: string;
  /** Names what released it: a message id, or the deadline that passed. */
  readonly reference: string;
  readonly reason: 'void' | 'expire';
  readonly effectiveAt: Date;
  readonly shares: readonly LegShare[];
}

/** Gives parts of a hold back: on the ledger, on the legs and on the account's pending loans. Under the account's lock. */
export async function releaseHold(trx: Transaction, input: ReleaseHoldInput): Promise<void> {
  const { organizationId, accountId } = input;
  const shares = input.shares.filter((share) => share.amount > 0n || share.amountUsd > 0n);
  for (const share of shares) await addToLeg(trx, organizationId, 'released', share);
  const withTokens = shares.filter((share) => share.amount > 0n);
  if (withTokens.length === 0) return;
  await postTransactions(trx, organizationId, [releaseAuthorizationHold({ ...input, legs: withTokens })]);
  const loans = sumBigint(withTokens.filter((share) => share.kind === 'loan_draw').map((share) => share.amount));
  if (loans > 0n) await addToAccount(trx, organizationId, accountId, { loanHold: -loans });
}

/**
 * Gives `amount` cents of limit use back, to the windows in which the authorization was counted and which are still open, and
 * to velocity rules. `wholly`: nothing of it was spent, so it no longer counts as a purchase either, nor locks the card to its
 * merchant. A negative amount is counted on top.
 */
export async function giveLimitBack(
  trx: Transaction,
  authorization: AuthorizationRow,
  input: { readonly timeZone: string; readonly amount: bigint; readonly wholly: boolean; readonly now: Date },
): Promise<void> {
  const { organization_id: organizationId, account_id: accountId, card_id: cardId, merchant } = authorization;
  const purchase = { at: authorization.created_at, mcc: merchant.mcc, merchantId: merchant.id };
  const counted = authorization.approved_amount - authorization.reversed_amount;
  for (const scopeId of [accountId, cardId]) {
    const stored = await findCounters(trx, organizationId, accountId, scopeId);
    if (stored === null) continue;
    const counters = countersNow(stored, input.now, input.timeZone);
    const next = giveBack(counters, purchase, { amount: input.amount, counted, wholly: input.wholly });
    await saveCounters(trx, organizationId, accountId, scopeId, countersToStored(next));
  }
}
