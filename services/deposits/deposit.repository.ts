import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';
import type { Hex } from '../providers/custody/port';
import type { DepositState } from './rules/deposit-state';

/** A row of `deposits`; `amount` in base units of `asset`. */
export interface DepositRow {
  readonly organization_id: string;
  readonly id: string;
  readonly account_id: string;
  readonly chain_id: number;
  readonly asset: string;
  readonly amount: bigint;
  readonly from_address: Hex;
  readonly to_address: Hex;
  readonly transaction_hash: Hex;
  readonly receipt_position: number;
  readonly block_hash: Hex;
  readonly block_number: bigint;
  readonly state: DepositState;
  readonly sweep_transaction_hash: string | null;
  readonly sweeps_allowed: number;
  readonly credited_at: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface AddressRoute {
  readonly chain_id: number;
  readonly address: Hex;
  readonly organization_id: string;
  readonly account_id: string | null;
  readonly purpose: 'deposit' | 'treasury' | 'operating';
}

export interface ChainCursor {
  readonly block_number: bigint;
  readonly block_hash: string;
}

export async function findDeposit(
  trx: Transaction,
  organizationId: string,
  depositId: string,
): Promise<DepositRow | undefined> {
  return trx<DepositRow>('deposits').where({ organization_id: organizationId, id: depositId }).first();
}

export async function lockDeposit(
  trx: Transaction,
  organizationId: string,
  depositId: string,
): Promise<DepositRow | undefined> {
  return trx<DepositRow>('deposits').where({ organization_id: organizationId, id: depositId }).forUpdate().first();
}

export async function lockDepositOfTransfer(
  trx: Transaction,
  organizationId: string,
  transfer: { readonly chainId: number; readonly transactionHash: Hex; readonly receiptPosition: number },
): Promise<DepositRow | undefined> {
  return trx<DepositRow>('deposits')
    .where({
      organization_id: organizationId,
      chain_id: transfer.chainId,
      transaction_hash: transfer.transactionHash,
      receipt_position: transfer.receiptPosition,
    })
    .forUpdate()
    .first();
}

export async function insertDeposit(
  trx: Transaction,
  row: Omit<DepositRow, 'sweep_transaction_hash' | 'sweeps_allowed' | 'credited_at' | 'created_at' | 'updated_at'>,
): Promise<void> {
  await trx('deposits').insert({
    ...row,
    amount: row.amount.toString(),
    block_number: row.block_number.toString(),
  });
}

export type DepositChange = Partial<
  Pick<
    DepositRow,
    | 'state'
    | 'asset'
    | 'amount'
    | 'account_id'
    | 'to_address'
    | 'from_address'
    | 'block_hash'
    | 'block_number'
    | 'sweep_transaction_hash'
    | 'sweeps_allowed'
    | 'credited_at'
  >
>;

export async function updateDeposit(
  trx: Transaction,
  organizationId: string,
  depositId: string,
  change: DepositChange,
): Promise<void> {
  const { amount, block_number, ...rest } = change;
  await trx('deposits')
    .where({ organization_id: organizationId, id: depositId })
    .update({
      ...rest,
      ...(amount === undefined ? {} : { amount: amount.toString() }),
      ...(block_number === undefined ? {} : { block_number: block_number.toString() }),
      updated_at: trx.fn.now(),
    });
}

/** Where an address leads, whatever organization it belongs to. */
export async function insertAddressRoute(trx: Transaction, route: AddressRoute): Promise<void> {
  await trx('address_routes').insert(route).onConflict(['chain_id', 'address']).ignore();
}

export async function insertDepositAddress(
  trx: Transaction,
  row: { organization_id: string; id: string; account_id: string; chain_id: number; address: Hex },
): Promise<void> {
  await trx('deposit_addresses').insert(row).onConflict(['organization_id', 'account_id', 'chain_id']).ignore();
}

export async function findDepositAddress(
  trx: Transaction,
  organizationId: string,
  accountId: string,
  chainId: number,
): Promise<{ readonly id: string; readonly address: Hex; readonly created_at: Date } | undefined> {
  return trx('deposit_addresses')
    .where({ organization_id: organizationId, account_id: accountId, chain_id: chainId })
    .first('id', 'address', 'created_at');
}

/** Deposit addresses of a chain, `limit` + 1 at most: more of them are not worth narrowing a search by. */
export async function depositAddresses(knex: Knex, chainId: number, limit: number): Promise<Hex[]> {
  const rows: { address: Hex }[] = await knex('address_routes')
    .where({ chain_id: chainId, purpose: 'deposit' })
    .limit(limit + 1)
    .select('address');
  return rows.map((row) => row.address);
}

export async function routesOf(knex: Knex, chainId: number, addresses: readonly string[]): Promise<AddressRoute[]> {
  if (addresses.length === 0) return [];
  return knex<AddressRoute>('address_routes')
    .where({ chain_id: chainId, purpose: 'deposit' })
    .whereIn('address', [...new Set(addresses)] as Hex[]);
}

export async function findCursor(knex: Knex, chainId: number, name: string): Promise<ChainCursor | undefined> {
  return knex('chain_cursors').where({ chain_id: chainId, name }).first('block_number', 'block_hash');
}

export async function saveCursor(knex: Knex, chainId: number, name: string, cursor: ChainCursor): Promise<void> {
  await knex('chain_cursors')
    .insert({ chain_id: chainId, name, block_number: cursor.block_number.toString(), block_hash: cursor.block_hash })
    .onConflict(['chain_id', 'name'])
    .merge({ block_number: cursor.block_number.toString(), block_hash: cursor.block_hash, updated_at: knex.fn.now() });
}
