import type { SourceTaken } from '../../funding/rules/plan-funding';
import { maxBigint } from '../../shared/money';
import { type AuthorizationState, isOpen } from './authorization-state';
import type { SpendSnapshot } from './spend-snapshot';

/** What of a purchase was approved, cleared and given back so far, cents. */
export interface PurchaseStanding {
  readonly state: AuthorizationState;
  readonly approved: bigint;
  readonly cleared: bigint;
  readonly reversed: bigint;
}

/** How a purchase stands, from its row. */
export function standingOf(row: {
  readonly state: AuthorizationState;
  readonly approved_amount: bigint;
  readonly cleared_amount: bigint;
  readonly reversed_amount: bigint;
}): PurchaseStanding {
  return {
    state: row.state,
    approved: row.approved_amount,
    cleared: row.cleared_amount,
    reversed: row.reversed_amount,
  };
}

/** What of a purchase may still be cleared. */
export function stillDue({ state, approved, cleared, reversed }: PurchaseStanding): bigint {
  return isOpen(state) ? maxBigint(approved - cleared - reversed, 0n) : 0n;
}

/** Messages that name a purchase without asking for more of it: about the account as a whole, and about money that comes back. */
const ABOUT_NO_MORE: ReadonlySet<string> = new Set(['balance_inquiry', 'refund_authorization']);

/** Whether a message of this kind is about more (or less) of the purchase that it names. */
export function isAboutAmount(kind: string): boolean {
  return !ABOUT_NO_MORE.has(kind);
}

/** What a later message makes of a purchase's amount. Cents. */
export interface Amendment {
  /** Above (or, negative, below) what is still to be cleared now. */
  readonly more: bigint;
  /** The total before it: cleared and still to be cleared. */
  readonly total: bigint;
  /** What lapsed when the purchase was ended: counted as given back once it is open again. */
  readonly lapsed: bigint;
}

/**
 * Reads a new total, or a difference, against a purchase. In an ended one nothing is left to be cleared, whatever was approved
 * before; where more was cleared than approved, a difference comes on top of what was cleared.
 */
export function amendmentOf(standing: PurchaseStanding, amount: bigint, basis: 'total' | 'delta'): Amendment {
  const { approved, cleared, reversed } = standing;
  const given = isOpen(standing.state) ? reversed : maxBigint(reversed, approved - cleared);
  const total = maxBigint(approved - given, cleared);
  const wanted = basis === 'total' ? maxBigint(amount, cleared) : total + amount;
  return { more: wanted - total, total, lapsed: given - reversed };
}

/** The total that a message says, whichever way it says it. */
export function toldTotal(
  amendment: Amendment,
  message: { readonly amount: bigint; readonly amountBasis: 'total' | 'delta' },
): bigint {
  return message.amountBasis === 'total' ? message.amount : amendment.total + message.amount;
}

/** The snapshot on which more for a purchase under way is decided: it is the same purchase, so that it has been counted already. */
export function snapshotForIncrement(snapshot: SpendSnapshot, purchase: Omit<AmendedPurchase, 'open'>): SpendSnapshot {
  // A status check is a purchase's first message: what comes on top of one is an amount like any other.
  const { hold_fixed_amount: _statusChecks, ...policy } = snapshot.policy;
  const { cash_withdrawal_fee: cashFee } = policy;
  return {
    ...snapshot,
    policy: cashFee && purchase.fixedFeeHeld ? { ...policy, cash_withdrawal_fee: { ...cashFee, fixed: '0' } } : policy,
    increment: { approvedBefore: purchase.total, since: purchase.begunAt, channel: purchase.channel },
    takenBefore: purchase.taken,
  };
}

/** How a purchase stood when more for it was decided: all that the decision reads of it. */
export interface AmendedPurchase {
  /** Cents that it came to before. */
  readonly total: bigint;
  /** When it was put on record. */
  readonly begunAt: Date;
  /** An ended one is decided like a purchase of its own, and opened again. */
  readonly open: boolean;
  /** False: cash is asked for on top of a purchase that began without any, so that the fixed part of its fee is yet to be held. */
  readonly fixedFeeHeld: boolean;
  /** By which it was begun. */
  readonly channel: string;
  /** What it has of each source; of an ended one nothing is read. */
  readonly taken: readonly SourceTaken[];
}

/** The snapshot on which more for a purchase is decided. */
export function snapshotForAmendment(snapshot: SpendSnapshot, purchase: AmendedPurchase): SpendSnapshot {
  return purchase.open ? snapshotForIncrement(snapshot, purchase) : { ...snapshot, begunAt: purchase.begunAt };
}
