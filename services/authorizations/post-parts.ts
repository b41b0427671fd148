import { announceOverdue } from '../accounts/announce-overdue';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { tokenToUsdRoundUp, usdToTokenRoundUp } from '../funding/rules/plan-funding';
import type { LedgerAccountRef } from '../ledger/draft';
import { postTransactions } from '../ledger/post-transactions';
import { type ClearedPart, postCardClearing } from '../ledger/templates/post-card-clearing';
import { required } from '../shared/assert';
import { sumBigint } from '../shared/money';
import type { FundingLegRow } from './authorization.repository';
import { addToAccount, addToLeg, insertLeg, insertLegPosting, postDrawPrincipal } from './card-event.repository';
import type { CardEventContext } from './card-event-context';
import { consumeLegs, type HeldLeg, type LegShare } from './rules/hold-legs';
import type { SpendSnapshot } from './rules/spend-snapshot';
import { trustedPrice } from './rules/trusted-price';

/** One part of a clearing as it is posted, with what its leg must know. */
export interface Part {
  readonly legId: string;
  readonly kind: 'stablecoin_sale' | 'loan_draw' | 'overdue';
  readonly asset: string;
  readonly amount: bigint;
  readonly amountUsd: bigint;
  readonly priceUsdE8: bigint;
  /** Null for a leg made for this clearing. */
  readonly holdTransferId: string | null;
}

/** Takes `amountUsd` cents from what is held, in plan order, at today's prices where they can be trusted. */
export function consumeHeld(held: readonly HeldLeg[], amountUsd: bigint, snapshot: SpendSnapshot, now: Date) {
  return consumeLegs(
    held,
    amountUsd,
    (leg, cents) => priceAtPosting(leg, cents, snapshot, now),
    (leg) => reachAtPosting(leg, snapshot, now),
  );
}

/** Tokens for cents at today's price where it can be trusted, else at the hold's. */
function priceAtPosting(leg: HeldLeg, cents: bigint, snapshot: SpendSnapshot, now: Date): bigint {
  const priceUsdE8 = trustedPrice(leg.asset, snapshot.prices, now) ?? leg.priceUsdE8;
  return usdToTokenRoundUp(cents, priceUsdE8, required(snapshot.decimals[leg.asset], `decimals of ${leg.asset}`));
}

/** The most cents that a leg's tokens pay at today's price, give or take the rounding of parts; null where it cannot be trusted. */
function reachAtPosting(leg: HeldLeg, snapshot: SpendSnapshot, now: Date): bigint | null {
  const priceUsdE8 = trustedPrice(leg.asset, snapshot.prices, now);
  if (priceUsdE8 === null) return null;
  const decimals = required(snapshot.decimals[leg.asset], `decimals of ${leg.asset}`);
  return tokenToUsdRoundUp(leg.leftAmount, priceUsdE8, decimals);
}

/** A share of a hold as it is posted. */
export function partOfHold(share: LegShare, held: readonly HeldLeg[]): Part {
  const leg = required(
    held.find((each) => each.legId === share.legId),
    'the leg of a share',
  );
  return { ...share, priceUsdE8: leg.priceUsdE8 };
}

/** Posts the parts of what was spent: on the ledger, on their legs, and as one posting to be funded each. */
export async function writeParts(
  trx: Transaction,
  context: CardEventContext,
  snapshot: SpendSnapshot,
  input: {
    readonly cardTransactionId: string;
    readonly authorizationId: string | null;
    readonly parts: readonly Part[];
    readonly feeAmount: bigint;
    readonly nextOrdinal: number;
    /** Whom they are owed to; the network, when left out. */
    readonly into?: LedgerAccountRef;
  },
): Promise<void> {
  const { organizationId, account, event } = context;
  const { cardTransactionId, authorizationId, parts } = input;
  if (parts.length === 0) return;
  let ordinal = input.nextOrdinal;
  for (const part of parts) {
    if (part.holdTransferId === null) {
      await insertLeg(trx, legWithoutHold(context, part, ordinal, { authorizationId, cardTransactionId }));
      ordinal += 1;
    }
    await addToLeg(trx, organizationId, 'posted', part);
    await insertLegPosting(trx, organizationId, {
      ...part,
      id: newId(),
      accountId: account.id,
      cardTransactionId,
    });
    if (part.kind === 'loan_draw') {
      const { venue } = snapshot.policy.credit;
      await postDrawPrincipal(trx, organizationId, { ...part, id: part.legId, accountId: account.id, venue });
    }
  }
  await postTransactions(trx, organizationId, [
    postCardClearing({
      cardTransactionId,
      programId: account.program_id,
      accountId: account.id,
      effectiveAt: event.effectiveAt,
      feeUsd: input.feeAmount,
      ...(input.into === undefined ? {} : { into: input.into }),
      parts: parts.map(toClearedPart),
    }),
  ]);
  const loans = parts.filter((part) => part.kind === 'loan_draw');
  const overdueUsd = sumBigint(parts.filter((part) => part.kind === 'overdue').map((part) => part.amountUsd));
  await addToAccount(trx, organizationId, account.id, {
    loanHold: -sumBigint(loans.filter((part) => part.holdTransferId !== null).map((part) => part.amount)),
    loanUnconfirmed: sumBigint(loans.map((part) => part.amount)),
    overdueUsd,
  });
  await announceOverdue(trx, { organizationId, accountId: account.id, changeUsd: overdueUsd });
}

function toClearedPart(part: Part): ClearedPart {
  const { legId, kind, asset, amount, amountUsd, holdTransferId } = part;
  return kind === 'overdue' ? { kind, legId, amountUsd } : { kind, legId, asset, amount, amountUsd, holdTransferId };
}

function legWithoutHold(
  context: CardEventContext,
  part: Part,
  ordinal: number,
  owner: { readonly authorizationId: string | null; readonly cardTransactionId: string },
): FundingLegRow {
  return {
    organization_id: context.organizationId,
    id: part.legId,
    account_id: context.account.id,
    authorization_id: owner.authorizationId,
    card_transaction_id: owner.cardTransactionId,
    ordinal,
    kind: part.kind,
    asset: part.asset,
    price_usd_e8: part.priceUsdE8,
    held_amount: 0n,
    held_usd: 0n,
    posted_amount: 0n,
    posted_usd: 0n,
    released_amount: 0n,
    released_usd: 0n,
    refunded_amount: 0n,
    refunded_usd: 0n,
    hold_transfer_id: null,
  };
}
