import type { Transaction } from '../database/transaction';
import type { LedgerAccountType } from '../ledger/draft';

/** Posted debits less credits of one ledger account, base units, summed from its transfers. */
export interface NetDebit {
  readonly type: LedgerAccountType;
  readonly key: string;
  readonly asset: string;
  readonly net_debit: bigint;
}

export async function netDebits(
  trx: Transaction,
  organizationId: string,
  types: readonly LedgerAccountType[],
): Promise<readonly NetDebit[]> {
  const result: { rows: NetDebit[] } = await trx.raw(
    `WITH chosen AS (
       SELECT id, type, key, asset FROM ledger_accounts WHERE organization_id = :organizationId AND type = ANY(:types::text[])
     ), moved AS (
       SELECT debit_account_id AS id, amount FROM ledger_transfers
        WHERE organization_id = :organizationId AND kind IN ('posted', 'post_pending')
       UNION ALL
       SELECT credit_account_id, -amount FROM ledger_transfers
        WHERE organization_id = :organizationId AND kind IN ('posted', 'post_pending')
     )
     SELECT chosen.type, chosen.key, chosen.asset, coalesce(sum(moved.amount), 0) AS net_debit
       FROM chosen LEFT JOIN moved ON moved.id = chosen.id
      GROUP BY chosen.type, chosen.key, chosen.asset ORDER BY chosen.type, chosen.key, chosen.asset`,
    { organizationId, types: [...types] as string[] },
  );
  return result.rows;
}

/** Grows with everything that is booked, except interest, which a look at the books books itself. */
export async function ledgerMark(trx: Transaction, organizationId: string): Promise<bigint> {
  const row = await trx('ledger_transactions')
    .where({ organization_id: organizationId })
    .whereNot({ template: 'accrue-interest' })
    .count({ count: '*' })
    .first();
  return BigInt(row?.count ?? 0);
}

/** Chain transactions that may have landed without the ledger knowing. */
export async function chainCallsOnTheirWay(trx: Transaction, organizationId: string): Promise<bigint> {
  const row = await trx('chain_intents')
    .where({ organization_id: organizationId })
    .whereIn('state', ['queued', 'signed', 'broadcast'])
    .count({ count: '*' })
    .first();
  return BigInt(row?.count ?? 0);
}

/** Legs, refunds and repayments whose work is not over: `position` may be open for them. */
export async function unfinishedLegs(trx: Transaction, organizationId: string): Promise<ReadonlySet<string>> {
  const result: { rows: { id: string }[] } = await trx.raw(
    `SELECT leg_id AS id FROM leg_postings WHERE organization_id = :organizationId AND state IN ('posted', 'funding')
     UNION SELECT id FROM repayments WHERE organization_id = :organizationId AND state IN ('requested', 'submitted')`,
    { organizationId },
  );
  return new Set(result.rows.map(({ id }) => id));
}

/** An account whose kept aggregate is not what its rows or its ledger accounts say. */
export interface AggregateDifference {
  readonly account_id: string;
  readonly aggregate: string;
  readonly kept: bigint;
  readonly recomputed: bigint;
}

/**
 * Compares what a decision reads off an account's row with what it stands for: shares and unconfirmed principal with the draws, holds and
 * overdue with the ledger, and each draw's open principal and interest with its ledger accounts.
 */
export async function aggregateDifferences(
  trx: Transaction,
  organizationId: string,
): Promise<readonly AggregateDifference[]> {
  const result: { rows: AggregateDifference[] } = await trx.raw(
    `WITH draws AS (
       SELECT account_id, coalesce(sum(shares), 0) AS shares,
              coalesce(sum(greatest(principal_posted - greatest(principal_confirmed, principal_repaid), 0)), 0) AS unconfirmed,
              coalesce(sum(principal_posted - principal_repaid), 0) AS principal,
              coalesce(sum(interest_posted - interest_repaid), 0) AS interest
         FROM loan_draws WHERE organization_id = :organizationId GROUP BY account_id
     ), ledger AS (
       SELECT account_id,
              coalesce(sum(pending_debits) FILTER (WHERE type = 'cardholder.loan'), 0) AS loan_hold,
              coalesce(sum(posted_debits - posted_credits) FILTER (WHERE type = 'cardholder.loan'), 0) AS principal,
              coalesce(sum(posted_debits - posted_credits) FILTER (WHERE type = 'cardholder.interest'), 0) AS interest,
              coalesce(sum(posted_debits - posted_credits) FILTER (WHERE type = 'cardholder.overdue'), 0) AS overdue
         FROM ledger_accounts WHERE organization_id = :organizationId AND account_id IS NOT NULL GROUP BY account_id
     ), compared AS (
       SELECT account.id AS account_id, line.aggregate, line.kept, line.recomputed
         FROM accounts account
         LEFT JOIN draws ON draws.account_id = account.id
         LEFT JOIN ledger ON ledger.account_id = account.id
        CROSS JOIN LATERAL (VALUES
          ('debt_shares', account.debt_shares, coalesce(draws.shares, 0)),
          ('loan_hold', account.loan_hold, coalesce(ledger.loan_hold, 0)),
          ('loan_unconfirmed', account.loan_unconfirmed, coalesce(draws.unconfirmed, 0)),
          ('overdue_amount', account.overdue_amount, coalesce(ledger.overdue, 0)),
          ('principal of draws', coalesce(draws.principal, 0), coalesce(ledger.principal, 0)),
          ('interest of draws', coalesce(draws.interest, 0), coalesce(ledger.interest, 0))
        ) AS line (aggregate, kept, recomputed)
        WHERE account.organization_id = :organizationId
     )
     SELECT * FROM compared WHERE kept <> recomputed ORDER BY account_id, aggregate`,
    { organizationId },
  );
  return result.rows;
}

export interface OwnAddress {
  readonly address: string;
  readonly purpose: 'deposit' | 'treasury' | 'operating';
}

/** Every address at which tokens of the organization may stand. */
export async function ownAddresses(
  trx: Transaction,
  organizationId: string,
  chainId: number,
): Promise<readonly OwnAddress[]> {
  const result: { rows: OwnAddress[] } = await trx.raw(
    `SELECT address, purpose FROM address_routes WHERE organization_id = :organizationId AND chain_id = :chainId
     UNION
     SELECT account.address, 'deposit' FROM accounts account
      WHERE account.organization_id = :organizationId AND account.address IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM address_routes route
                         WHERE route.chain_id = :chainId AND lower(route.address) = lower(account.address))
      ORDER BY 1`,
    { organizationId, chainId },
  );
  return result.rows;
}

/** Accounts that may stand at the lending venue. */
export async function accountsWithAddress(
  trx: Transaction,
  organizationId: string,
): Promise<readonly { readonly id: string; readonly address: string }[]> {
  return trx('accounts')
    .where({ organization_id: organizationId })
    .whereNotNull('address')
    .orderBy('id')
    .select('id', 'address');
}

/** Deposits that a block shows and the ledger does not say yet, because they are not confirmed. */
export async function unconfirmedDeposits(
  trx: Transaction,
  organizationId: string,
  blockNumber: bigint,
): Promise<readonly { readonly to_address: string; readonly asset: string; readonly amount: bigint }[]> {
  return trx('deposits')
    .where({ organization_id: organizationId, state: 'seen' })
    .where('block_number', '<=', blockNumber.toString())
    .select('to_address', 'asset', 'amount');
}

/** References under which the bank's statement shows what is on our ledger: capital, payouts of sales, settlements. */
export async function bankReferences(trx: Transaction, organizationId: string): Promise<ReadonlySet<string>> {
  const result: { rows: { reference: string }[] } = await trx.raw(
    `SELECT substr(idempotency_key, length('funding:') + 1) AS reference FROM ledger_transactions
      WHERE organization_id = :organizationId AND template = 'fund-organization'
     UNION SELECT bank_reference FROM sale_orders
      WHERE organization_id = :organizationId AND bank_reference IS NOT NULL
     UNION SELECT bank_reference FROM settlements
      WHERE organization_id = :organizationId AND bank_reference IS NOT NULL`,
    { organizationId },
  );
  return new Set(result.rows.map(({ reference }) => reference));
}

/** A sale as we know it, to be compared with the off-ramp's own word. */
export interface SaleLine {
  readonly id: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly state: 'requested' | 'submitted' | 'paid_out' | 'returned' | 'unknown';
  readonly gross_usd: bigint | null;
  readonly fee_usd: bigint | null;
  readonly vendor_order_id: string | null;
}

export async function saleLines(trx: Transaction, organizationId: string): Promise<readonly SaleLine[]> {
  return trx('sale_orders')
    .where({ organization_id: organizationId })
    .orderBy('id')
    .select('id', 'asset', 'amount', 'state', 'gross_usd', 'fee_usd', 'vendor_order_id');
}

/** What a program has with the network. Dates are `YYYY-MM-DD`. */
export interface ProgramNetworkLine {
  readonly id: string;
  /** Tokens of its cards at the processor. */
  readonly card_tokens: readonly string[];
  /** The last date whose net amount the bank has moved. */
  readonly settled_until: string | null;
  /** The first date of which the network told anything. */
  readonly first_date: string | null;
}

export async function programNetworkLines(
  trx: Transaction,
  organizationId: string,
  vendor: string,
): Promise<readonly ProgramNetworkLine[]> {
  const result: { rows: ProgramNetworkLine[] } = await trx.raw(
    `SELECT program.id,
            coalesce((SELECT array_agg(route.card_token ORDER BY route.card_token)
                        FROM card_routes route
                        JOIN cards card ON card.organization_id = route.organization_id AND card.id = route.card_id
                       WHERE route.organization_id = :organizationId AND route.vendor = :vendor
                         AND card.program_id = program.id), '{}') AS card_tokens,
            (SELECT to_char(max(date), 'YYYY-MM-DD') FROM settlements
              WHERE organization_id = :organizationId AND program_id = program.id AND state IN ('paid', 'reconciled'))
              AS settled_until,
            (SELECT to_char(min(effective_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM card_transactions
              WHERE organization_id = :organizationId AND program_id = program.id) AS first_date
       FROM programs program WHERE program.organization_id = :organizationId ORDER BY program.id`,
    { organizationId, vendor },
  );
  return result.rows;
}
