import type { Client } from 'pg';

/** One query per rule of the books; each row it returns is a breach, told in words. */
const RULES: Readonly<Record<string, string>> = {
  'every materialised balance is the sum of its transfers': `
    WITH side AS (
      SELECT debit_account_id AS id, kind, amount, 1 AS debit FROM ledger_transfers WHERE organization_id = $1
      UNION ALL
      SELECT credit_account_id, kind, amount, 0 FROM ledger_transfers WHERE organization_id = $1
    ), summed AS (
      SELECT id,
        coalesce(sum(amount) FILTER (WHERE debit = 1 AND kind IN ('posted', 'post_pending')), 0) AS posted_debits,
        coalesce(sum(amount) FILTER (WHERE debit = 0 AND kind IN ('posted', 'post_pending')), 0) AS posted_credits,
        coalesce(sum(CASE WHEN kind = 'pending' THEN amount WHEN kind <> 'posted' THEN -amount END) FILTER (WHERE debit = 1), 0) AS pending_debits,
        coalesce(sum(CASE WHEN kind = 'pending' THEN amount WHEN kind <> 'posted' THEN -amount END) FILTER (WHERE debit = 0), 0) AS pending_credits
      FROM side GROUP BY id
    )
    SELECT format('%s %s: posted %s/%s pending %s/%s, transfers say %s/%s and %s/%s', a.type, a.asset, a.posted_debits,
      a.posted_credits, a.pending_debits, a.pending_credits, coalesce(s.posted_debits, 0), coalesce(s.posted_credits, 0),
      coalesce(s.pending_debits, 0), coalesce(s.pending_credits, 0)) AS breach
    FROM ledger_accounts a LEFT JOIN summed s ON s.id = a.id
    WHERE a.organization_id = $1 AND a.materialised
      AND (a.posted_debits, a.posted_credits, a.pending_debits, a.pending_credits) IS DISTINCT FROM
        (coalesce(s.posted_debits, 0), coalesce(s.posted_credits, 0), coalesce(s.pending_debits, 0), coalesce(s.pending_credits, 0))`,
  'every asset sums to zero over all accounts': `
    WITH kept AS (
      SELECT a.asset, a.posted_debits - a.posted_credits AS balance FROM ledger_accounts a WHERE a.organization_id = $1 AND a.materialised
      UNION ALL
      SELECT t.asset, CASE WHEN t.debit_account_id = a.id THEN t.amount ELSE -t.amount END
      FROM ledger_transfers t JOIN ledger_accounts a ON a.organization_id = t.organization_id AND NOT a.materialised
        AND a.id IN (t.debit_account_id, t.credit_account_id)
      WHERE t.organization_id = $1 AND t.kind IN ('posted', 'post_pending')
    )
    SELECT format('%s is off by %s', asset, sum(balance)) AS breach FROM kept GROUP BY asset HAVING sum(balance) <> 0`,
  'every transfer names accounts that exist': `
    SELECT format('transfer %s', t.id) AS breach FROM ledger_transfers t WHERE t.organization_id = $1 AND EXISTS (
      SELECT FROM unnest(ARRAY[t.debit_account_id, t.credit_account_id]) AS w(id)
      WHERE NOT EXISTS (SELECT FROM ledger_accounts a WHERE a.organization_id = $1 AND a.id = w.id AND a.asset = t.asset))`,
  'no free balance is below zero': `
    SELECT format('%s %s has %s free', type, asset, posted_credits - posted_debits - pending_debits) AS breach
    FROM ledger_accounts WHERE organization_id = $1 AND type IN ('cardholder.funds', 'cardholder.collateral')
      AND posted_credits - posted_debits - pending_debits < 0`,
  'what ends a hold never exceeds it, and its leg says the same': `
    WITH ended AS (
      SELECT pending_transfer_id AS id, coalesce(sum(amount) FILTER (WHERE kind = 'post_pending'), 0) AS posted,
        coalesce(sum(amount) FILTER (WHERE kind <> 'post_pending'), 0) AS released
      FROM ledger_transfers WHERE organization_id = $1 AND pending_transfer_id IS NOT NULL GROUP BY pending_transfer_id
    )
    SELECT format('hold %s: held %s, posted %s, released %s; leg: held %s, posted %s, released %s', t.id, t.amount,
      coalesce(e.posted, 0), coalesce(e.released, 0), l.held_amount, l.posted_amount, l.released_amount) AS breach
    FROM ledger_transfers t
    LEFT JOIN ended e ON e.id = t.id
    LEFT JOIN funding_legs l ON l.organization_id = t.organization_id AND l.hold_transfer_id = t.id
    WHERE t.organization_id = $1 AND t.kind = 'pending' AND (
      coalesce(e.posted, 0) + coalesce(e.released, 0) > t.amount
      OR (t.amount, coalesce(e.posted, 0), coalesce(e.released, 0)) IS DISTINCT FROM (l.held_amount, l.posted_amount, l.released_amount))`,
  'an authorization that ended holds nothing': `
    SELECT format('%s is %s and its leg %s still holds %s (%s cents)', a.processor_authorization_id, a.state, l.asset,
      l.held_amount - l.posted_amount - l.released_amount, l.held_usd - l.posted_usd - l.released_usd) AS breach
    FROM authorizations a JOIN funding_legs l ON l.organization_id = a.organization_id AND l.authorization_id = a.id
    WHERE a.organization_id = $1 AND a.state NOT IN ('pending', 'partially_cleared') AND l.hold_transfer_id IS NOT NULL
      AND (l.held_amount - l.posted_amount - l.released_amount <> 0 OR l.held_usd - l.posted_usd - l.released_usd <> 0)`,
  'a declined authorization never held anything': `
    SELECT format('%s', a.processor_authorization_id) AS breach
    FROM authorizations a JOIN funding_legs l ON l.organization_id = a.organization_id AND l.authorization_id = a.id
    WHERE a.organization_id = $1 AND a.state = 'declined' AND l.hold_transfer_id IS NOT NULL`,
  'one authorization for one purchase, one hold transaction for one authorization': `
    SELECT format('%s has %s authorizations', processor_authorization_id, count(*)) AS breach
    FROM authorizations WHERE organization_id = $1 GROUP BY vendor, processor_authorization_id HAVING count(*) > 1`,
  'an authorization counts what its clearings and refunds come to': `
    SELECT format('%s says cleared %s, refunded %s; its transactions say %s and %s', a.processor_authorization_id, a.cleared_amount,
      a.refunded_amount, t.cleared, t.refunded) AS breach
    FROM authorizations a CROSS JOIN LATERAL (
      SELECT coalesce(sum(c.amount) FILTER (WHERE c.kind = 'clearing'), 0) AS cleared,
        coalesce(sum(c.amount - coalesce(r.taken_back, 0)) FILTER (WHERE c.kind = 'refund'), 0) AS refunded
      FROM card_transactions c LEFT JOIN LATERAL (
        SELECT least(x.amount, c.amount) AS taken_back FROM card_transactions x
        WHERE x.organization_id = c.organization_id AND x.original_transaction_id = c.id AND x.kind = 'refund_reversal'
      ) r ON true
      WHERE c.organization_id = a.organization_id AND c.authorization_id = a.id
    ) t
    WHERE a.organization_id = $1 AND (a.cleared_amount <> t.cleared OR a.refunded_amount <> t.refunded)`,
  'no more of a fee is given back than was charged': `
    SELECT format('%s has charged %s', processor_authorization_id, charged) AS breach
    FROM (
      SELECT processor_authorization_id, sum(CASE WHEN kind = 'refund' THEN -fee_amount ELSE fee_amount END) AS charged
      FROM card_transactions WHERE organization_id = $1 GROUP BY vendor, processor_authorization_id
    ) f
    WHERE charged < 0`,
  'the parts of a clearing, and what was set aside for it, come to its amount and its fee': `
    SELECT format('%s of %s cents and %s has parts of %s and %s set aside', t.message_id, t.amount, t.fee_amount, coalesce(p.parts, 0),
      coalesce(s.set_aside, 0)) AS breach
    FROM card_transactions t LEFT JOIN (
      SELECT card_transaction_id, sum(amount_usd) AS parts FROM leg_postings WHERE organization_id = $1 GROUP BY card_transaction_id
    ) p ON p.card_transaction_id = t.id
    LEFT JOIN LATERAL (
      SELECT sum(w.amount) AS set_aside FROM ledger_transactions x JOIN ledger_transfers w ON w.organization_id = x.organization_id
        AND w.transaction_id = x.id
      WHERE x.organization_id = $1 AND x.idempotency_key = 'reservation-spent:' || t.id
    ) s ON true
    WHERE t.organization_id = $1 AND t.kind NOT IN ('refund', 'reservation_return')
      AND t.amount + t.fee_amount IS DISTINCT FROM coalesce(p.parts, 0) + coalesce(s.set_aside, 0)`,
  'the account adds up what its holds, draws and overdue parts come to': `
    SELECT format('account %s: loan hold %s, legs %s; overdue %s, ledger %s; shares %s, draws %s', a.id, a.loan_hold, h.held,
      a.overdue_amount, coalesce(o.overdue, 0), a.debt_shares, d.shares) AS breach
    FROM accounts a
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(held_amount - posted_amount - released_amount), 0) AS held FROM funding_legs
      WHERE organization_id = a.organization_id AND account_id = a.id AND kind = 'loan_draw' AND hold_transfer_id IS NOT NULL
    ) h
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(shares), 0) AS shares FROM loan_draws WHERE organization_id = a.organization_id AND account_id = a.id
    ) d
    LEFT JOIN LATERAL (
      SELECT sum(posted_debits - posted_credits) AS overdue FROM ledger_accounts
      WHERE organization_id = a.organization_id AND account_id = a.id AND type = 'cardholder.overdue'
    ) o ON true
    WHERE a.organization_id = $1
      AND (a.loan_hold, a.overdue_amount, a.debt_shares) IS DISTINCT FROM (h.held, coalesce(o.overdue, 0), d.shares)`,
};

const EVERY_RULE = Object.entries(RULES)
  .map(([rule, sql]) => `SELECT '${rule}' AS rule, breach FROM (${sql}) AS broken`)
  .join('\nUNION ALL\n');

/**
 * What is wrong with the books of an organization, recomputed from its rows; empty when nothing is. Needs a connection that
 * sees every row.
 */
export async function brokenBooks(client: Client, organizationId: string): Promise<string[]> {
  const { rows } = await client.query<{ rule: string; breach: string }>({
    name: 'broken-books',
    text: EVERY_RULE,
    values: [organizationId],
  });
  return rows.map(({ rule, breach }) => `${rule}: ${breach}`);
}
