import type { Hex } from '../providers/custody/port';
import { bookFinishedGas } from './book-gas';
import { runCall } from './run-call';
import { TOP_UP_PURPOSE } from './treasury.repository';
import type { ChainStepDeps, OrganizationWallets } from './wallets';

/** Whether something that a call needs is in place. `waiting` is on its way, or can't move; look again. */
export type Readiness = { readonly kind: 'ready' } | { readonly kind: 'waiting'; readonly reason: string };

/**
 * Sees to it that an address of ours can pay for a call: the operating wallet tops it up when it holds less than the policy's minimum.
 * `purpose` is the business key of the call that needs it, so that each call is helped at most once.
 */
export async function ensureGas(
  deps: ChainStepDeps,
  input: {
    readonly organizationId: string;
    readonly wallets: OrganizationWallets;
    readonly address: Hex;
    readonly purpose: string;
    /** Wei sent when it is needed; the policy's amount for an account's address unless given. */
    readonly topUp?: bigint;
  },
): Promise<Readiness> {
  const { organizationId, wallets, address } = input;
  const intentKey = `${input.purpose}:gas`;
  if ((await deps.reader.nativeBalance(address)) >= deps.gas.minimum) {
    const pending = await deps.sender.pendingIntents(organizationId);
    // Arrived but not confirmed, thus not booked: the call waits for it as for any other.
    if (!pending.some((intent) => intent.intentKey === intentKey)) return { kind: 'ready' };
  }
  const outcome = await runCall(deps.sender, {
    organizationId,
    intentKey,
    signer: wallets.operating.signer,
    to: address,
    data: '0x',
    value: input.topUp ?? deps.gas.topUp,
    purpose: TOP_UP_PURPOSE,
  });
  switch (outcome.state) {
    case 'confirmed':
      await bookFinishedGas(deps, { organizationId });
      return { kind: 'ready' };
    case 'reverted':
    case 'failed':
      return { kind: 'waiting', reason: `gas money for ${address} can't be sent: ${outcome.detail ?? outcome.state}` };
    default:
      return { kind: 'waiting', reason: outcome.problem ?? `gas money for ${address} is on its way` };
  }
}
