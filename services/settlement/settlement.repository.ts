import type { Knex } from 'knex';
import type { Transaction } from '../database/transaction';
import { sumBigint } from '../shared/money';
import type { LedgerItem } from './rules/compare-settlement';
import type { Booked } from './rules/plan-booking';
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
  /** What the bank has moved for the program; booked, but for `books_difference`. */
  readonly paid_amount: bigint | null;
  /** What the bank has moved under the reference, for all programs of the processor; null also where it was seen before that was kept. */
  readonly bank_amount: bigint | null;
  /** How many entries under the reference the last recorded look had read; null as `bank_amount`, and where that was seen before this was kept. */
  readonly bank_entries: number | null;
  /** When the network had last changed the report that the last recorded look had read; null until then, and where that was before this was kept. */
  readonly report_updated_at: Date | null;
  /** What the books lack of `paid_amount`, until an operator has it booked; null where they have it. */
  readonly books_difference: bigint | null;
  readonly compared_at: Date | null;
  readonly accepted_reason: string | null;
  readonly accepted_by: string | null;
  readonly accepted_at: Date | null;
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

export type SettlementChange = Partial<
  Omit<SettlementRow, 'organization_id' | 'id' | 'program_id' | 'date' | 'created_at' | 'updated_at'>
>;

/** `news`: whether it stands otherwise than before; what was only looked at again stays as old as it is. */
export async function updateSettlement(
  trx: Transaction,
  organizationId: string,
  settlementId: string,
  change: SettlementChange,
  news = true,
): Promise<void> {
  await trx('settlements')
    .where({ organization_id: organizationId, id: settlementId })
    .update({
      ...Object.fromEntries(
        Object.entries(change).map(([column, value]) => [column, typeof value === 'bigint' ? value.toString() : value]),
      ),
      ...(news ? { updated_at: trx.fn.now() } : {}),
    });
}

/** A transfer `x` that books what the bank moved for a settlement; `kind`, because the index of legs is without holds. */
const IS_BOOKED = "x.kind <> 'pending' AND x.label IN ('paid-to-network', 'paid-by-network')";
/** Its cents, above zero paid to the network. */
const BOOKED_AMOUNT = "CASE WHEN x.label = 'paid-to-network' THEN x.amount ELSE -x.amount END";

/** What the books have of what the bank moved for a settlement. */
export async function bookedOf(trx: Transaction, organizationId: string, settlementId: string): Promise<Booked> {
  const result: { rows: { key: string; amount: bigint }[] } = await trx.raw(
    `SELECT t.idempotency_key AS key, ${BOOKED_AMOUNT} AS amount
       FROM ledger_transfers x JOIN ledger_transactions t ON t.organization_id = x.organization_id AND t.id = x.transaction_id
      WHERE x.organization_id = ? AND x.leg_id = ? AND ${IS_BOOKED}`,
    [organizationId, settlementId],
  );
  return { amount: sumBigint(result.rows.map(({ amount }) => amount)), keys: result.rows.map(({ key }) => key) };
}

/**
 * Settlements of all organizations that are over, stand as they do since `since` or later, and whose books are apart from what they
 * say by another amount than is shown of them. Needs the worker's role.
 */
export async function findEndedApart(
  knex: Knex,
  since: Date,
  limit: number,
): Promise<readonly Pick<SettlementRow, 'organization_id' | 'id'>[]> {
  const result: { rows: Pick<SettlementRow, 'organization_id' | 'id'>[] } = await knex.raw(
    `SELECT s.organization_id, s.id
       FROM settlements s CROSS JOIN LATERAL (
              SELECT coalesce(sum(${BOOKED_AMOUNT}), 0) AS amount FROM ledger_transfers x
               WHERE x.organization_id = s.organization_id AND x.leg_id = s.id AND ${IS_BOOKED}
            ) booked
      WHERE s.state = 'reconciled' AND s.updated_at >= ?
        AND s.paid_amount - booked.amount <> coalesce(s.books_difference, 0)
      LIMIT ?`,
    [since, limit],
  );
  return result.rows;
}

/**
 * Card transactions that a date may be about: those that the network's report names, and those of the date or before that
 * no settlement has taken yet. What an earlier settlement that is still unpaid has to answer for is left to it.
 */
export async function ledgerItems(
  trx: Transaction,
  organizationId: string,
  input: {
    readonly programId: string;
    readonly vendor: string;
    readonly date: string;
    readonly messageIds: readonly string[];
  },
): Promise<LedgerItem[]> {
  const result: { rows: { message_id: string; amount: bigint; settled: boolean; earlier: boolean }[] } = await trx.raw(
    `WITH unpaid AS (
       SELECT max(date) AS date FROM settlements
        WHERE organization_id = :organizationId AND program_id = :programId AND date < CAST(:day AS date)
          AND state IN ('open', 'closed')
     )
     SELECT t.message_id, CASE WHEN t.kind = 'refund' THEN -t.amount ELSE t.amount END AS amount,
            t.state = 'settled' AS settled,
            CAST(t.effective_at AT TIME ZONE 'UTC' AS date) < CAST(:day AS date)
              AND (unpaid.date IS NULL OR CAST(t.effective_at AT TIME ZONE 'UTC' AS date) > unpaid.date) AS earlier
       FROM card_transactions t, unpaid
      WHERE t.organization_id = :organizationId AND t.program_id = :programId AND t.vendor = :vendor
        AND (t.message_id = ANY(CAST(:messageIds AS text[]))
             OR (t.state <> 'settled' AND t.effective_at < (CAST(CAST(:day AS date) + 1 AS timestamp) AT TIME ZONE 'UTC')))`,
    // CAST, because knex takes the second colon of `::date` for the start of a binding.
    {
      organizationId,
      programId: input.programId,
      vendor: input.vendor,
      day: input.date,
      messageIds: [...input.messageIds],
    },
  );
  return result.rows.map((row) => ({
    messageId: row.message_id,
    amount: row.amount,
    settled: row.settled,
    earlier: row.earlier,
  }));
}

/** Those of the card tokens that are known and not of the program: of another one, in this organization or elsewhere. */
export async function foreignCards(
  trx: Transaction,
  programId: string,
  vendor: string,
  cardTokens: readonly string[],
): Promise<ReadonlySet<string>> {
  const result: { rows: { card_token: string }[] } = await trx.raw(
    `SELECT r.card_token FROM card_routes r
       LEFT JOIN cards c ON c.organization_id = r.organization_id AND c.id = r.card_id
      WHERE r.vendor = ? AND r.card_token = ANY(?::text[]) AND c.program_id IS DISTINCT FROM ?`,
    [vendor, [...cardTokens], programId],
  );
  return new Set(result.rows.map((row) => row.card_token));
}

/**
 * The network has been paid for these. Whether the cardholder's side is funded stands with the postings. Rows are locked in id order,
 * as several are changed at once.
 */
export async function markTransactionsSettled(
  trx: Transaction,
  organizationId: string,
  vendor: string,
  messageIds: readonly string[],
): Promise<void> {
  await trx.raw(
    `WITH locked AS (
       SELECT id FROM card_transactions
        WHERE organization_id = :organizationId AND vendor = :vendor AND message_id = ANY(CAST(:messageIds AS text[]))
        ORDER BY id FOR UPDATE
     )
     UPDATE card_transactions t SET state = 'settled', updated_at = now()
       FROM locked WHERE t.organization_id = :organizationId AND t.id = locked.id`,
    { organizationId, vendor, messageIds: [...messageIds] },
  );
}
