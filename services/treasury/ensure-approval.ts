import type { LendingVenue } from '../chain/port';
import { bookFinishedGas } from './book-gas';
import type { Readiness } from './ensure-gas';
import { runCall } from './run-call';
import { type ChainStepDeps, tokenAddress, type Wallet } from './wallets';

const MAX_UINT256 = 2n ** 256n - 1n;

/** Lets the venue take a token from one of our wallets: once per wallet and token, without limit. */
export async function ensureVenueApproval(
  deps: ChainStepDeps & { readonly venue: LendingVenue },
  input: { readonly organizationId: string; readonly wallet: Wallet; readonly asset: string },
): Promise<Readiness> {
  const { organizationId, wallet, asset } = input;
  const call = deps.calls.approve(tokenAddress(deps.deployment, asset), deps.venue.poolAddress, MAX_UINT256);
  const outcome = await runCall(deps.sender, {
    organizationId,
    intentKey: `approve:${wallet.address}:${asset}:${deps.venue.poolAddress}`.toLowerCase(),
    signer: wallet.signer,
    to: call.to,
    data: call.data,
    value: 0n,
    purpose: 'approve-venue',
  });
  switch (outcome.state) {
    case 'confirmed':
      await bookFinishedGas(deps, { organizationId });
      return { kind: 'ready' };
    case 'reverted':
    case 'failed':
      return {
        kind: 'waiting',
        reason: `${asset} can't be approved for the venue: ${outcome.detail ?? outcome.state}`,
      };
    default:
      return { kind: 'waiting', reason: outcome.problem ?? `${asset} is being approved for the venue` };
  }
}
