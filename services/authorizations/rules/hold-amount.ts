import { type FixedHold, merchantGroup, type ProgramPolicy } from '../../programs/rules/program-policy';
import { maxBigint, minBigint } from '../../shared/money';
import { basisPointsRoundUp, divideRoundDown } from '../../shared/rounding';

const DAY_MS = 86_400_000;

/** What of a program's policy decides how much is held. */
export type HoldPolicy = Pick<ProgramPolicy, 'hold_allowance_bps' | 'hold_fixed_amount'>;

/**
 * Cents to hold for `amount` at a merchant: the worst case of what its clearing may come to. That is the amount and the
 * program's allowance for tips, extras and the like; for a status check (a pump that asks for one dollar) it is what the
 * network lets the merchant clear on the strength of it.
 */
export function holdForAmountRoundUp(amount: bigint, mcc: string, policy: HoldPolicy): bigint {
  const usual = amount + basisPointsRoundUp(amount, allowanceBps(mcc, policy));
  const fixed = fixedHold(amount, mcc, policy);
  return fixed === null ? usual : maxBigint(BigInt(fixed.hold), usual);
}

/** Whether a request of `amount` cents only asks if the card is good, so that what it comes to is told later. */
export function isStatusCheck(amount: bigint, mcc: string, policy: HoldPolicy): boolean {
  return fixedHold(amount, mcc, policy) !== null;
}

/**
 * The largest amount whose hold is at most `holdAmount`, and that is itself at most `amountMax` where one is given. Smaller
 * amounts fit too, but for status checks, whose hold does not shrink with them: 0 when nothing else is left.
 */
export function amountForHoldRoundDown(
  holdAmount: bigint,
  mcc: string,
  policy: HoldPolicy,
  amountMax: bigint | null = null,
): bigint {
  const usual = divideRoundDown(maxBigint(holdAmount, 0n) * 10_000n, BigInt(10_000 + allowanceBps(mcc, policy)));
  const amount = amountMax === null ? usual : minBigint(usual, maxBigint(amountMax, 0n));
  return holdForAmountRoundUp(amount, mcc, policy) <= holdAmount ? amount : 0n;
}

/** When a hold at this merchant runs out. */
export function holdExpiry(now: Date, mcc: string, policy: Pick<ProgramPolicy, 'hold_days'>): Date {
  const group = merchantGroup(mcc);
  const days = (group && policy.hold_days[group]) ?? policy.hold_days.default;
  return new Date(now.getTime() + days * DAY_MS);
}

function allowanceBps(mcc: string, policy: HoldPolicy): number {
  const group = merchantGroup(mcc);
  return (group && policy.hold_allowance_bps[group]) ?? 0;
}

function fixedHold(amount: bigint, mcc: string, policy: HoldPolicy): FixedHold | null {
  const group = merchantGroup(mcc);
  const fixed = (group && policy.hold_fixed_amount?.[group]) ?? null;
  return fixed !== null && amount > 0n && amount <= BigInt(fixed.up_to) ? fixed : null;
}
