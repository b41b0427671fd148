import type { Transaction } from '../database/transaction';
import type { SettlementState } from './rules/settlement-state';

/** A row of `settlements`; amounts in cents, above zero owed to the network. */
export interface SettlementRow {
  readonly organization_id: string;
  readonly id: string;
  readonly program_id: string;
  /** The network's settlement date, `YYYY-MM-DD`. */
  readonly date: string;
  readonly state: SettlementState;
  readonly network_amount: bigint | null;
  readonly ledger_amount: bigint | null;
  readonly bank_reference: string | null;
  readonly difference: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export async function lockSettlement(
  trx: Transaction,
  organizationId: string,
  settlementId: string,
): Promise<SettlementRow | undefined> {
  return trx<SettlementRow>('settlements')
    .where({ organization_id: organizationId, id: settlementId })
    .forUpdate()
    .first();
}

export async function findSettlement(
  trx: Transaction,
  organizationId: string,
  settlementId: string,
): Promise<SettlementRow | undefined> {
  return trx<SettlementRow>('settlements').where({ organization_id: organizationId, id: settlementId }).first();
}

export async function findSettlementOfDate(
  trx: Transaction,
  organizationId: string,
  programId: string,
  date: string,
): Promise<SettlementRow | undefined> {
  return trx<SettlementRow>('settlements')
    .where({ organization_id: organizationId, program_id: programId })
    .andWhereRaw('date = ?::date', [date])
    .first();
}

/** Opens the settlement of a date; the one that exists stays. */
export async function insertSettlement(
  trx: Transaction,
  row: Pick<SettlementRow, 'organization_id' | 'id' | 'program_id' | 'date'>,
): Promise<void> {
  await trx('settlements')
    .insert({ ...row, state: 'open' })
    .onConflict(['organization_id', 'program_id', 'date'])
    .ignore();
}

export async function updateSettlement(
  trx: Transaction,
  organizationId: string,
  settlementId: string,
  change: Partial<Pick<SettlementRow, 'state' | 'network_amount' | 'ledger_amount' | 'bank_reference' | 'difference'>>,
): Promise<void> {
  const { network_amount, ledger_amount, ...rest } = change;
  await trx('settlements')
    .where({ organization_id: organizationId, id: settlementId })
    .update({
      ...rest,
      ...(network_amount === undefined ? {} : { network_amount: network_amount?.toString() ?? null }),
      ...(ledger_amount === undefined ? {} : { ledger_amount: ledger_amount?.toString() ?? null }),
      updated_at: trx.fn.now(),
    });
}

/**
 * Cents that the books owe the network for a date: every movement of `network.payable` with the network's date up to it (UTC), less what earlier
 * settlements have paid. This settlement's own payment does not count.
 */
export async function payableUntil(
  trx: Transaction,
  organizationId: string,
  input: { readonly payableAccountId: string; readonly date: string; readonly settlementKey: string },
): Promise<bigint> {
  const result: { rows: { owed: bigint }[] } = await trx.raw(
    `SELECT coalesce(sum(CASE WHEN f.credit_account_id = ? THEN f.amount ELSE -f.amount END), 0) AS owed
       FROM ledger_transfers f
       JOIN ledger_transactions t ON t.organization_id = f.organization_id AND t.id = f.transaction_id
      WHERE f.organization_id = ? AND ? IN (f.debit_account_id, f.credit_account_id) AND f.kind = 'posted'
        AND t.idempotency_key <> ?
        AND t.effective_at < ((?::date + 1)::timestamp AT TIME ZONE 'UTC')`,
    [input.payableAccountId, organizationId, input.payableAccountId, input.settlementKey, input.date],
  );
  return result.rows[0]?.owed ?? 0n;
}

/** Clearings and refunds of the program up to the date that are funded and now settled with the network. */
export async function markTransactionsSettled(
  trx: Transaction,
  organizationId: string,
  programId: string,
  date: string,
): Promise<void> {
  await trx.raw(
    `UPDATE card_transactions SET state = 'settled', updated_at = now()
      WHERE organization_id = ? AND program_id = ? AND state = 'funded'
        AND effective_at < ((?::date + 1)::timestamp AT TIME ZONE 'UTC')`,
    [organizationId, programId, date],
  );
}
