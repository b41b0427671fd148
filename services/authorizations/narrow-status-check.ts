import type { Transaction } from '../database/transaction';
import { type AuthorizationRow, fundingLegsOf } from './authorization.repository';
import { heldLegsOf } from './card-event-context';
import { freeDownTo } from './hold-of-rest';
import { termsAsked } from './purchase-fee';
import { releaseHold } from './release-hold';
import type { Amendment } from './rules/amendment';
import { feeRoundDown } from './rules/fees';
import { holdForAmountRoundUp, isStatusCheck } from './rules/hold-amount';
import { heldUsd } from './rules/hold-legs';
import type { SpendSnapshot } from './rules/spend-snapshot';

/**
 * Cents to hold once the first total after a status check says what it has come to (a pump that asked for one dollar tells what was
 * filled), fee included: that total, however little, in place of what was held for the most that it might come to. Null where the
 * purchase is not such a one.
 */
export async function holdOfToldTotal(
  trx: Transaction,
  authorization: AuthorizationRow,
  { amendment, snapshot }: { readonly amendment: Amendment; readonly snapshot: SpendSnapshot },
): Promise<bigint | null> {
  const { mcc } = authorization.merchant;
  if (authorization.cleared_amount > 0n || !isStatusCheck(amendment.total, mcc, snapshot.policy)) return null;
  const { hold_fixed_amount: _statusChecks, ...policy } = snapshot.policy;
  const purchase = holdForAmountRoundUp(amendment.total + amendment.more, mcc, policy);
  return purchase + feeRoundDown(await termsAsked(trx, authorization), purchase);
}

/** Cents that are held for a purchase. */
export async function heldFor(trx: Transaction, authorization: AuthorizationRow): Promise<bigint> {
  return heldUsd(heldLegsOf(await fundingLegsOf(trx, authorization.organization_id, [authorization.id])));
}

/** Gives back what is held for a purchase above `wanted` cents. Under the account's lock; the caller moves its version. */
export async function narrowHold(
  trx: Transaction,
  authorization: AuthorizationRow,
  input: { readonly wanted: bigint; readonly messageId: string; readonly effectiveAt: Date },
): Promise<void> {
  const { organization_id: organizationId, id: authorizationId, account_id: accountId } = authorization;
  const held = heldLegsOf(await fundingLegsOf(trx, organizationId, [authorizationId]));
  const { freed, release } = freeDownTo(held, input.wanted);
  if (freed === 0n) return;
  await releaseHold(trx, {
    organizationId,
    authorizationId,
    accountId,
    reference: input.messageId,
    reason: 'void',
    effectiveAt: input.effectiveAt,
    shares: release.shares,
  });
}
