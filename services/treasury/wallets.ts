import type { Knex } from 'knex';
import type { ChainDeployment, ChainReader, ChainTransactionSender, Erc20Calls } from '../chain/port';
import { inOrganization } from '../database/transaction';
import type { Custody, Hex, SignerPath } from '../providers/custody/port';
import { required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { findOrganization } from './treasury.repository';

/** What every step that moves something on chain needs. */
export interface ChainStepDeps {
  /** Pool of the role `app`. */
  readonly knex: Knex;
  readonly clock: Clock;
  readonly reader: ChainReader;
  readonly sender: ChainTransactionSender;
  readonly calls: Erc20Calls;
  readonly custody: Custody;
  readonly deployment: Pick<ChainDeployment, 'chainId' | 'confirmations' | 'tokens'>;
  /** How native currency is kept at addresses that must send something; see {@link DEFAULT_GAS_POLICY}. */
  readonly gas: GasPolicy;
}

/** Wei. An address below `minimum` is topped up by `topUp` before it sends. */
export interface GasPolicy {
  readonly minimum: bigint;
  readonly topUp: bigint;
  readonly treasuryTopUp: bigint;
}

/** A call here costs at most 300k gas: 0.005 ether carries one at 16 gwei. */
export const DEFAULT_GAS_POLICY: GasPolicy = {
  minimum: 5_000_000_000_000_000n,
  topUp: 10_000_000_000_000_000n,
  treasuryTopUp: 500_000_000_000_000_000n,
};

export interface Wallet {
  readonly address: Hex;
  readonly signer: SignerPath;
}

/** OWN pays gas and holds the organization's float; TRE holds cardholders' tokens. */
export interface OrganizationWallets {
  readonly organizationIndex: number;
  readonly operating: Wallet;
  readonly treasury: Wallet;
}

export async function organizationWallets(
  deps: Pick<ChainStepDeps, 'knex' | 'custody'>,
  organizationId: string,
): Promise<OrganizationWallets> {
  const organization = required(
    await inOrganization(deps.knex, organizationId, (trx) => findOrganization(trx, organizationId)),
    `organization ${organizationId}`,
  );
  const organizationIndex = organization.chain_index;
  const operating: SignerPath = { purpose: 'operating', organizationIndex };
  const treasury: SignerPath = { purpose: 'treasury', organizationIndex };
  return {
    organizationIndex,
    operating: { address: await deps.custody.address(operating), signer: operating },
    treasury: { address: await deps.custody.address(treasury), signer: treasury },
  };
}

/** An account's own derived address: deposits arrive there, collateral and debt stand there. */
export async function accountWallet(
  deps: Pick<ChainStepDeps, 'custody'>,
  organizationIndex: number,
  accountIndex: number,
): Promise<Wallet> {
  const signer: SignerPath = { purpose: 'account', organizationIndex, accountIndex };
  return { address: await deps.custody.address(signer), signer };
}

export function tokenAddress(deployment: Pick<ChainDeployment, 'chainId' | 'tokens'>, asset: string): Hex {
  return required(deployment.tokens[asset], `token ${asset} of chain ${deployment.chainId}`).address;
}

/** The asset code of a token's address, or null when it is none of ours. */
export function assetOfToken(deployment: Pick<ChainDeployment, 'tokens'>, address: Hex): string | null {
  const found = Object.entries(deployment.tokens).find(
    ([, token]) => token.address.toLowerCase() === address.toLowerCase(),
  );
  return found?.[0] ?? null;
}

export function tokenDecimals(deployment: Pick<ChainDeployment, 'chainId' | 'tokens'>, asset: string): number {
  return required(deployment.tokens[asset], `token ${asset} of chain ${deployment.chainId}`).decimals;
}
