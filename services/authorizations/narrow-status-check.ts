import type { Transaction } from '../database/transaction';
import { type AuthorizationRow, fundingLegsOf } from './authorization.repository';
import { heldLegsOf } from './card-event-context';
import { releaseHold } from './release-hold';
import type { Amendment } from './rules/amendment';
import { holdForAmountRoundUp, isStatusCheck } from './rules/hold-amount';
import { heldUsd, releaseLegs } from './rules/hold-legs';
import type { SpendSnapshot } from './rules/spend-snapshot';

/**
 * The first total after a status check says what it has come to (a pump that asked for one dollar tells what was filled). The
 * hold was placed for the most that it might, so nothing more is held and the rest is given back. False where the purchase is
 * not such a one, or its hold is less than what it has come to: then more is to be held. Under the account's lock.
 */
export async function narrowStatusCheck(
  trx: Transaction,
  input: {
    readonly authorization: AuthorizationRow;
    readonly snapshot: SpendSnapshot;
    readonly amendment: Amendment;
    readonly messageId: string;
    readonly effectiveAt: Date;
  },
): Promise<boolean> {
  const { authorization, snapshot, amendment } = input;
  const { mcc } = authorization.merchant;
  if (authorization.cleared_amount > 0n || !isStatusCheck(amendment.total, mcc, snapshot.policy)) return false;
  const { organization_id: organizationId, id: authorizationId, account_id: accountId } = authorization;
  const held = heldLegsOf(await fundingLegsOf(trx, organizationId, [authorizationId]));
  const wanted =
    holdForAmountRoundUp(amendment.total + amendment.more, mcc, snapshot.policy) + authorization.fee_amount;
  if (heldUsd(held) < wanted) return false;
  await releaseHold(trx, {
    organizationId,
    authorizationId,
    accountId,
    reference: input.messageId,
    reason: 'void',
    effectiveAt: input.effectiveAt,
    shares: releaseLegs(held, heldUsd(held) - wanted).shares,
  });
  return true;
}
