import type { DeclineReason } from '../../authorizations/rules/decline-reason';
import {
  type MerchantGroup,
  merchantGroup,
  type ProgramPolicy,
  type SpendLimits,
} from '../../programs/rules/program-policy';
import { minBigint } from '../../shared/money';
import type { LimitCounters } from './limit-counters';
import { WINDOW_KINDS } from './limit-windows';

/** A card's own controls; what is left out is not restricted. Stored as JSON in `cards.controls`. */
export interface CardControls {
  readonly limits?: SpendLimits;
  readonly allowed_merchant_groups?: readonly MerchantGroup[];
  readonly blocked_merchant_groups?: readonly MerchantGroup[];
  readonly blocked_merchant_countries?: readonly string[];
  readonly blocked_channels?: readonly string[];
}

/** Controls that take effect later, because they are looser than those in force and the program has a cooling-off. */
export interface PendingControls {
  readonly controls: CardControls;
  /** ISO 8601. */
  readonly effective_at: string;
}

/** The merchant and the way of paying, as far as controls look at them. */
export interface SpendContext {
  readonly mcc: string;
  readonly merchantCountry: string;
  readonly channel: string;
}

/** The first control on where and how the card is used that refuses, or null. */
export function refuseByMerchant(
  context: SpendContext,
  policy: Pick<ProgramPolicy, 'blocked_merchant_countries' | 'blocked_merchant_groups'>,
  controls: CardControls,
): DeclineReason | null {
  if (policy.blocked_merchant_countries.includes(context.merchantCountry)) return 'country_blocked';
  if (controls.blocked_merchant_countries?.includes(context.merchantCountry)) return 'country_blocked';
  const group = merchantGroup(context.mcc);
  if (group !== null && policy.blocked_merchant_groups.includes(group)) return 'mcc_blocked';
  if (group !== null && controls.blocked_merchant_groups?.includes(group)) return 'mcc_blocked';
  if (controls.allowed_merchant_groups && (group === null || !controls.allowed_merchant_groups.includes(group)))
    return 'mcc_blocked';
  if (controls.blocked_channels?.includes(context.channel)) return 'channel_blocked';
  return null;
}

/** What a set of limits still leaves: cents for one more authorization (null: no limit), and whether one more may be counted. */
export interface LimitRoom {
  readonly amount: bigint | null;
  readonly countAllowed: boolean;
}

/** The room that `limits` leave, given what was counted so far. A window's limit is for its amount and its count apart. */
export function limitRoom(limits: SpendLimits, counters: LimitCounters): LimitRoom {
  const rooms: bigint[] = [];
  let countAllowed = true;
  if (limits.per_transaction_amount !== undefined) rooms.push(BigInt(limits.per_transaction_amount));
  for (const kind of WINDOW_KINDS) {
    const amountLimit = limits[`${kind}_amount`];
    if (amountLimit !== undefined) {
      const room = BigInt(amountLimit) - counters[kind].amount;
      rooms.push(room > 0n ? room : 0n);
    }
    const countLimit = limits[`${kind}_count`];
    if (countLimit !== undefined && counters[kind].count >= countLimit) countAllowed = false;
  }
  const [first, ...rest] = rooms;
  return { amount: first === undefined ? null : minBigint(first, ...rest), countAllowed };
}

/** The narrower of two rooms. */
export function narrowerRoom(one: LimitRoom, other: LimitRoom): LimitRoom {
  const amounts = [one.amount, other.amount].filter((amount) => amount !== null);
  const [first, ...rest] = amounts;
  return {
    amount: first === undefined ? null : minBigint(first, ...rest),
    countAllowed: one.countAllowed && other.countAllowed,
  };
}
