import { findAccount } from '../accounts/account.repository';
import type { ChainDeployment } from '../chain/port';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import type { Hex } from '../providers/custody/port';
import { required } from '../shared/assert';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findDepositAddress, insertAddressRoute, insertDepositAddress } from './deposit.repository';

export interface DepositAddressView {
  readonly id: string;
  readonly accountId: string;
  readonly chainId: number;
  readonly address: Hex;
  /** Codes of the assets that are credited when they arrive there. */
  readonly assets: readonly string[];
  readonly createdAt: Date;
}

/** The address where an account's deposits arrive: one per chain, the same each time. It is the account's derived address. */
export async function ensureDepositAddress(
  trx: Transaction,
  deps: { readonly deployment: Pick<ChainDeployment, 'chainId' | 'tokens'> },
  input: { readonly organizationId: string; readonly accountId: string },
): Promise<Result<DepositAddressView, Refusal>> {
  const { organizationId, accountId } = input;
  const account = await findAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'No such account.'));
  if (account.state === 'closed') return err(refusal('account_not_active', 'The account is closed.'));
  const address = required(account.address, `derived address of account ${accountId}`) as Hex;
  const { chainId, tokens } = deps.deployment;
  await insertDepositAddress(trx, {
    organization_id: organizationId,
    id: newId(),
    account_id: accountId,
    chain_id: chainId,
    address,
  });
  await insertAddressRoute(trx, {
    chain_id: chainId,
    address,
    organization_id: organizationId,
    account_id: accountId,
    purpose: 'deposit',
  });
  const row = required(
    await findDepositAddress(trx, organizationId, accountId, chainId),
    'deposit address that was just written',
  );
  return ok({
    id: row.id,
    accountId,
    chainId,
    address: row.address,
    assets: Object.keys(tokens),
    createdAt: row.created_at,
  });
}
