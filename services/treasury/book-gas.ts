import type { Knex } from 'knex';
import type { ChainCallOutcome } from '../chain/port';
import { inOrganization, type Transaction } from '../database/transaction';
import { walletOf } from '../ledger/account-refs';
import { postTransactions } from '../ledger/post-transactions';
import { payGas } from '../ledger/templates/pay-gas';
import { topUpGas } from '../ledger/templates/top-up-gas';
import { findUnbookedGas, findUnbookedTopUps, organizationsWithUnbookedGas } from './treasury.repository';
import type { ChainStepDeps } from './wallets';

const BATCH = 200;

/**
 * Books the gas of a call that landed, whether it succeeded or not. The transaction's hash is the key, so that any number of steps
 * may book it.
 */
export async function bookGasOf(
  trx: Transaction,
  deps: Pick<ChainStepDeps, 'deployment'>,
  organizationId: string,
  outcome: ChainCallOutcome,
  at: Date,
): Promise<void> {
  if (outcome.state !== 'confirmed' && outcome.state !== 'reverted') return;
  const { receipt } = outcome;
  const cost = receipt.gasUsed * receipt.effectiveGasPrice;
  if (cost === 0n) return;
  await postTransactions(trx, organizationId, [
    payGas({
      transactionHash: receipt.transactionHash,
      sender: walletOf(deps.deployment.chainId, receipt.from, 'ETH'),
      cost,
      effectiveAt: at,
    }),
  ]);
}

/**
 * Books the gas of everything that landed, and the gas money that was moved, unless the step that sent it did: given-up calls, approvals,
 * steps that died in between. Returns how many entries were booked.
 */
export async function bookFinishedGas(
  deps: Pick<ChainStepDeps, 'knex' | 'deployment'>,
  input: { readonly organizationId: string },
): Promise<number> {
  const { organizationId } = input;
  const ether = (address: string) => walletOf(deps.deployment.chainId, address, 'ETH');
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const topUps = await findUnbookedTopUps(trx, organizationId, BATCH);
    const unbooked = await findUnbookedGas(trx, organizationId, BATCH);
    await postTransactions(trx, organizationId, [
      ...topUps.map((sent) =>
        topUpGas({
          reference: sent.intentKey,
          from: ether(sent.from),
          to: ether(sent.to),
          amount: sent.amount,
          effectiveAt: sent.landedAt,
        }),
      ),
      ...unbooked.map((gas) =>
        payGas({
          transactionHash: gas.transactionHash,
          sender: ether(gas.signerAddress),
          cost: gas.cost,
          effectiveAt: gas.landedAt,
        }),
      ),
    ]);
    return topUps.length + unbooked.length;
  });
}

/** The sweeper: every organization that has such gas. */
export async function sweepUnbookedGas(
  deps: Pick<ChainStepDeps, 'knex' | 'deployment'> & { readonly workerKnex: Knex },
): Promise<{ readonly booked: number }> {
  let booked = 0;
  for (const organizationId of await organizationsWithUnbookedGas(deps.workerKnex)) {
    booked += await bookFinishedGas(deps, { organizationId });
  }
  return { booked };
}
