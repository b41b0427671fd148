import { countersNow, countersToStored, giveBack } from '../cards/rules/limit-counters';
import type { Transaction } from '../database/transaction';
import { postTransactions } from '../ledger/post-transactions';
import { releaseAuthorizationHold } from '../ledger/templates/release-authorization-hold';
import { sumBigint } from '../shared/money';
import { grantedOnTop } from './amendment.repository';
import type { AuthorizationRow } from './authorization.repository';
import { addToAccount, addToLeg, findCounters, isClearedSince, saveCounters } from './card-event.repository';
import { standingOf } from './rules/amendment';
import { countedAmount } from './rules/counted-amount';
import { amountOf, type CountedPart, lastOpening, partsCounted, partsGivenBack } from './rules/counted-parts';
import type { LegShare } from './rules/hold-legs';
import { isAnsweredLate } from './unheard-answers.repository';

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

/** Of what a purchase was counted: what was approved for its first message, for one on top, or what was counted last. */
export type CountedFor = 'first' | 'last' | { readonly messageId: string };

/**
 * Gives `amount` cents of limit use back, to the account and to the cards that they were counted on, in the windows in which they
 * were and which are still open, and to velocity rules. `unspent`: it has ended, and its last message cleared nothing. Where nothing was
 * cleared either since it was last counted as a purchase (it may have ended before, and been opened again), it no longer counts as that
 * one, nor locks its card to its merchant.
 */
export async function giveLimitBack(
  trx: Transaction,
  authorization: AuthorizationRow,
  input: {
    readonly timeZone: string;
    readonly amount: bigint;
    readonly countedFor: CountedFor;
    readonly unspent: boolean;
    readonly now: Date;
  },
): Promise<void> {
  const { organization_id: organizationId, account_id: accountId, card_id: cardId, merchant } = authorization;
  const purchase = { at: authorization.created_at, mcc: merchant.mcc, merchantId: merchant.id };
  const { counted, given, opening } = await countedAndGiven(trx, authorization, input);
  const wholly = input.unspent && !(await isClearedSinceOpening(trx, authorization, opening.amendmentId));
  const cards = new Set([cardId, opening.cardId, ...given.map((part) => part.cardId)]);
  for (const scopeId of [accountId, ...cards]) {
    const stored = await findCounters(trx, organizationId, accountId, scopeId);
    if (stored === null) continue;
    const inScope = (parts: readonly CountedPart[]) =>
      scopeId === accountId ? parts : parts.filter((part) => part.cardId === scopeId);
    const parts = inScope(given);
    const next = giveBack(countersNow(stored, input.now, input.timeZone), purchase, {
      amount: amountOf(parts),
      parts,
      counted: amountOf(inScope(counted)),
      // On another card only amounts were counted, and no purchase.
      wholly: wholly && (scopeId === accountId || scopeId === opening.cardId),
      countedSince: opening.at,
    });
    await saveCounters(trx, organizationId, accountId, scopeId, countersToStored(next));
  }
}

async function isClearedSinceOpening(
  trx: Transaction,
  authorization: AuthorizationRow,
  amendmentId: string | null,
): Promise<boolean> {
  return amendmentId === null ? authorization.cleared_amount > 0n : isClearedSince(trx, authorization, amendmentId);
}

async function countedAndGiven(
  trx: Transaction,
  authorization: AuthorizationRow,
  { amount, countedFor }: { readonly amount: bigint; readonly countedFor: CountedFor },
): Promise<{
  readonly counted: readonly CountedPart[];
  readonly given: readonly CountedPart[];
  /** When and on which card it was last counted as a purchase. */
  readonly opening: { readonly at: Date; readonly cardId: string; readonly amendmentId: string | null };
}> {
  const { organization_id: organizationId, id, card_id: cardId, created_at: at } = authorization;
  const rows = await grantedOnTop(trx, organizationId, id);
  const onTop = rows.map((row) => ({
    id: row.id,
    messageId: row.message_id,
    cardId: row.card_id,
    at: row.created_at,
    totalBefore: row.total_before,
    granted: row.granted,
    openedAgain: row.opened_again,
    takenBack: row.answer_state === 'taken_back',
  }));
  const standing = countedAmount(standingOf(authorization));
  // What the network told at first was never an answer of ours.
  const firstTakenBack =
    onTop.length > 0 && authorization.kind !== 'advice' && (await isAnsweredLate(trx, authorization));
  const counted = partsCounted(firstTakenBack ? null : { cardId, at }, onTop, standing);
  const { by, ...last } = lastOpening({ cardId, at }, onTop);
  const opening = { ...last, amendmentId: by?.id ?? null };
  if (countedFor === 'last') return { counted, given: partsGivenBack(counted, amount), opening };
  const part = countedFor === 'first' ? undefined : onTop.find(({ messageId }) => messageId === countedFor.messageId);
  return { counted, given: [{ cardId: part?.cardId ?? cardId, at: part?.at ?? at, amount }], opening };
}
