import type { Transaction } from '../database/transaction';
import { maxBigint, minBigint } from '../shared/money';
import type { AuthorizationRow } from './authorization.repository';
import { chargedSoFar, termsAsked } from './purchase-fee';
import { type HeldLeg, type HoldChange, heldUsd, releaseAll, releaseLegs } from './rules/hold-legs';
import { keptOfFirstHold, type ReversedAmount, releasedByReversal } from './rules/reversed-hold';

/** What a reversal frees, cents, and what of it is still held. */
interface Freed {
  readonly freed: bigint;
  readonly release: HoldChange;
}

/**
 * Frees what a reversal of a part leaves no use for. What is held still goes back before what was set aside already, which has to be
 * bought back.
 */
export async function freeShare(
  trx: Transaction,
  authorization: AuthorizationRow,
  held: readonly HeldLeg[],
  amount: ReversedAmount,
): Promise<Freed> {
  const holds = heldUsd(held);
  const terms = await termsAsked(trx, authorization);
  const before = await chargedSoFar(trx, authorization, terms);
  const freed = releasedByReversal(terms, { ...before, held: holds + authorization.reserved_amount }, amount);
  return { freed, release: releaseLegs(held, minBigint(freed, holds)) };
}

/** Frees what is held above `wanted` cents. */
export function freeDownTo(held: readonly HeldLeg[], wanted: bigint): Freed {
  const freed = maxBigint(heldUsd(held) - wanted, 0n);
  return { freed, release: releaseLegs(held, freed) };
}

/** Frees the legs that were placed for one message alone. `first`: the purchase began with it, and its fixed fee was held with them. */
export async function freeOwn(
  trx: Transaction,
  authorization: AuthorizationRow,
  own: readonly HeldLeg[],
  first: boolean,
): Promise<Freed> {
  const holds = heldUsd(own);
  const terms = first ? await termsAsked(trx, authorization) : null;
  const kept = terms && keptOfFirstHold(terms, holds, (await chargedSoFar(trx, authorization, terms)).charged);
  if (kept === null || kept === 0n) return { freed: holds, release: releaseAll(own) };
  return { freed: holds - kept, release: releaseLegs(own, holds - kept) };
}
