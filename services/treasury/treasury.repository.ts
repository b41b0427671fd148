import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';
import type { Hex } from '../providers/custody/port';

export async function findOrganization(
  trx: Transaction,
  organizationId: string,
): Promise<{ readonly chain_index: number; readonly mode: 'test' | 'live' } | undefined> {
  return trx('organizations').where({ id: organizationId }).first('chain_index', 'mode');
}

/** Says whose address it is; a route that exists stays. */
export async function insertWalletRoute(
  trx: Transaction,
  route: {
    readonly chain_id: number;
    readonly address: Hex;
    readonly organization_id: string;
    readonly purpose: 'treasury' | 'operating';
  },
): Promise<void> {
  await trx('address_routes').insert(route).onConflict(['chain_id', 'address']).ignore();
}

/** A chain transaction that landed and whose gas no ledger transaction says yet. */
export interface UnbookedGas {
  readonly transactionHash: Hex;
  readonly signerAddress: Hex;
  /** Wei. */
  readonly cost: bigint;
  readonly landedAt: Date;
}

const UNBOOKED = `i.gas_cost > 0 AND NOT EXISTS (
  SELECT 1 FROM ledger_transactions t
   WHERE t.organization_id = i.organization_id AND t.idempotency_key = 'gas:' || lower(i.transaction_hash))`;

export async function findUnbookedGas(trx: Transaction, organizationId: string, limit: number): Promise<UnbookedGas[]> {
  const result: { rows: { transaction_hash: Hex; signer_address: Hex; gas_cost: bigint; updated_at: Date }[] } =
    await trx.raw(
      `SELECT i.transaction_hash, i.signer_address, i.gas_cost, i.updated_at
         FROM chain_intents i WHERE i.organization_id = ? AND ${UNBOOKED} ORDER BY i.updated_at LIMIT ?`,
      [organizationId, limit],
    );
  return result.rows.map((row) => ({
    transactionHash: row.transaction_hash,
    signerAddress: row.signer_address,
    cost: row.gas_cost,
    landedAt: row.updated_at,
  }));
}

/** Organizations with such gas (needs the worker's role). */
export async function organizationsWithUnbookedGas(knex: Knex): Promise<string[]> {
  const result: { rows: { organization_id: string }[] } = await knex.raw(
    `SELECT DISTINCT i.organization_id FROM chain_intents i WHERE ${UNBOOKED}`,
  );
  return result.rows.map((row) => row.organization_id);
}

/** Gas money that arrived at another of our wallets and that no ledger transaction says yet. */
export interface UnbookedTopUp {
  readonly intentKey: string;
  readonly from: Hex;
  readonly to: Hex;
  /** Wei. */
  readonly amount: bigint;
  readonly landedAt: Date;
}

/** Purpose under which gas money is sent. */
export const TOP_UP_PURPOSE = 'top-up-gas';

export async function findUnbookedTopUps(
  trx: Transaction,
  organizationId: string,
  limit: number,
): Promise<UnbookedTopUp[]> {
  const result: {
    rows: { intent_key: string; signer_address: Hex; to_address: Hex; call_value: bigint; updated_at: Date }[];
  } = await trx.raw(
    `SELECT i.intent_key, i.signer_address, i.to_address, i.call_value, i.updated_at
       FROM chain_intents i
      WHERE i.organization_id = ? AND i.purpose = ? AND i.state = 'confirmed'
        AND NOT EXISTS (SELECT 1 FROM ledger_transactions t
                         WHERE t.organization_id = i.organization_id
                           AND t.idempotency_key = 'gas-top-up:' || i.intent_key)
      ORDER BY i.updated_at LIMIT ?`,
    [organizationId, TOP_UP_PURPOSE, limit],
  );
  return result.rows.map((row) => ({
    intentKey: row.intent_key,
    from: row.signer_address,
    to: row.to_address,
    amount: row.call_value,
    landedAt: row.updated_at,
  }));
}
