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

/** A finished chain transaction whose gas no ledger transaction says yet. */
export interface UnbookedGas {
  readonly intentKey: string;
  readonly signerAddress: Hex;
  readonly gasCost: bigint;
  readonly blockNumber: bigint;
  readonly updatedAt: Date;
}

export async function findUnbookedGas(trx: Transaction, organizationId: string, limit: number): Promise<UnbookedGas[]> {
  const result: {
    rows: { intent_key: string; signer_address: Hex; gas_cost: bigint; block_number: bigint; updated_at: Date }[];
  } = await trx.raw(
    `SELECT i.intent_key, i.signer_address, i.gas_cost, i.block_number, i.updated_at
       FROM chain_intents i
      WHERE i.organization_id = ? AND i.gas_cost > 0
        AND NOT EXISTS (SELECT 1 FROM ledger_transactions t
                         WHERE t.organization_id = i.organization_id AND t.idempotency_key = 'gas:' || i.intent_key)
      ORDER BY i.updated_at
      LIMIT ?`,
    [organizationId, limit],
  );
  return result.rows.map((row) => ({
    intentKey: row.intent_key,
    signerAddress: row.signer_address,
    gasCost: row.gas_cost,
    blockNumber: row.block_number,
    updatedAt: row.updated_at,
  }));
}

/** Organizations with such gas (needs the worker's role). */
export async function organizationsWithUnbookedGas(trx: Transaction): Promise<string[]> {
  const result: { rows: { organization_id: string }[] } = await trx.raw(
    `SELECT DISTINCT i.organization_id
       FROM chain_intents i
      WHERE i.gas_cost > 0
        AND NOT EXISTS (SELECT 1 FROM ledger_transactions t
                         WHERE t.organization_id = i.organization_id AND t.idempotency_key = 'gas:' || i.intent_key)`,
  );
  return result.rows.map((row) => row.organization_id);
}
