import { lockAccount } from '../accounts/account.repository';
import type { LendingVenue } from '../chain/port';
import { inOrganization } from '../database/transaction';
import { required } from '../shared/assert';
import { bookFinishedGas } from '../treasury/book-gas';
import type { Readiness } from '../treasury/ensure-gas';
import { runCall } from '../treasury/run-call';
import type { ChainStepDeps, OrganizationWallets, Wallet } from '../treasury/wallets';
import { changeAccountLoans } from './loan.repository';

/** Base units of the borrowed stablecoin that a delegation is set to, and below which it is set again. */
const DELEGATION = { amount: 250_000_000_000n, low: 50_000_000_000n } as const;
/** The signature is submitted by us at once, so it needs no end of its own. */
const NO_DEADLINE = 2n ** 256n - 1n;

/**
 * Sees to it that the treasury may borrow `need` for an account: the account's key signs, the treasury submits. What is left of it is stored,
 * because decisions read it. The key carries the signature's nonce, so that a signature is submitted once.
 */
export async function ensureDelegation(
  deps: ChainStepDeps & { readonly venue: LendingVenue },
  input: {
    readonly organizationId: string;
    readonly accountId: string;
    readonly wallets: OrganizationWallets;
    readonly owner: Wallet;
    readonly asset: string;
    readonly need: bigint;
  },
): Promise<Readiness> {
  const { organizationId, accountId, wallets, owner, asset } = input;
  const delegatee = wallets.treasury.address;
  const left = await deps.venue.delegationLeft(asset, owner.address, delegatee);
  const wanted = input.need > DELEGATION.low ? input.need : DELEGATION.low;
  const keys = `delegate:${accountId}:${asset}:`;
  if (left >= wanted) {
    // In force, but perhaps not confirmed yet, thus not booked.
    const pending = (await deps.sender.pendingIntents(organizationId)).find(({ intentKey }) =>
      intentKey.startsWith(keys),
    );
    if (pending !== undefined) {
      const outcome = await deps.sender.advance(organizationId, pending.intentKey);
      if (outcome.state !== 'confirmed') return { kind: 'waiting', reason: 'credit is being delegated' };
      await bookFinishedGas(deps, { organizationId });
    }
    return saveLeft(left);
  }
  const amount = input.need > DELEGATION.amount ? input.need : DELEGATION.amount;
  const payload = await deps.venue.delegationPayload(asset, owner.address, delegatee, amount, NO_DEADLINE);
  const signature = await deps.custody.signTypedData(owner.signer, payload);
  const call = await deps.venue.delegationCall(asset, owner.address, delegatee, amount, NO_DEADLINE, signature);
  const outcome = await runCall(deps.sender, {
    organizationId,
    intentKey: `${keys}${String(payload.message['nonce'])}`,
    signer: wallets.treasury.signer,
    to: call.to,
    data: call.data,
    value: 0n,
    purpose: 'delegate-credit',
  });
  switch (outcome.state) {
    case 'confirmed':
      await bookFinishedGas(deps, { organizationId });
      return saveLeft(await deps.venue.delegationLeft(asset, owner.address, delegatee));
    case 'reverted':
    case 'failed':
      return { kind: 'waiting', reason: `credit can't be delegated: ${outcome.detail ?? outcome.state}` };
    default:
      return { kind: 'waiting', reason: outcome.problem ?? 'credit is being delegated' };
  }

  async function saveLeft(delegationLeft: bigint): Promise<Readiness> {
    await inOrganization(deps.knex, organizationId, async (trx) => {
      const account = required(await lockAccount(trx, organizationId, accountId), `account ${accountId}`);
      if (account.delegation_left !== delegationLeft) {
        await changeAccountLoans(trx, organizationId, accountId, { delegationLeft });
      }
    });
    return { kind: 'ready' };
  }
}
