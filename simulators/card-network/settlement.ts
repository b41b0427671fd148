import type { StateFile } from '../shared/state-file';
import { Refusal } from './network';
import type { NetworkState, SettledDay, SettlementEntry } from './state';

export interface BankAccess {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly accountId: string;
}

const BANK_TIMEOUT_MS = 5_000;
const INSTITUTION = '9000000001';

/**
 * The entries of a day: those it was closed with, or those it would be closed with now (everything not yet settled that
 * happened on it or before, so that what comes after a day was closed goes with the next one).
 */
export function entriesOf(state: NetworkState, date: string): readonly SettlementEntry[] {
  if (state.settledDays[date] !== undefined)
    return state.entries.filter(({ settlementDate }) => settlementDate === date);
  return state.entries.filter(({ settlementDate, created }) => settlementDate === null && created.slice(0, 10) <= date);
}

export function netOf(entries: readonly SettlementEntry[]): number {
  return entries.reduce((sum, { amount }) => sum + amount, 0);
}

/** `GET /v1/reports/settlement/summary/{report_date}`. Positive is owed to the network. */
export function summaryResource(state: NetworkState, date: string): Record<string, unknown> {
  const net = netOf(entriesOf(state, date));
  const day = state.settledDays[date];
  const now = new Date().toISOString();
  const totals = {
    currency: 'USD',
    disputes_gross_amount: 0,
    interchange_gross_amount: 0,
    other_fees_gross_amount: 0,
    settled_net_amount: net,
    transactions_gross_amount: net,
  };
  return {
    ...totals,
    created: day?.closedAt ?? now,
    updated: day?.closedAt ?? now,
    report_date: date,
    is_complete: day !== undefined,
    details: [{ ...totals, institution: INSTITUTION, network: 'VISA' }],
  };
}

/** One of `GET /v1/reports/settlement/details/{report_date}`. */
export function detailResource(entry: SettlementEntry, date: string): Record<string, unknown> {
  return {
    token: entry.token,
    account_token: '00000000-0000-0000-0000-000000000001',
    card_program_token: entry.programToken,
    card_token: entry.cardToken,
    created: entry.created,
    currency: 'USD',
    disputes_gross_amount: 0,
    event_tokens: [entry.eventToken],
    institution: INSTITUTION,
    interchange_fee_extended_precision: 0,
    interchange_gross_amount: 0,
    network: 'VISA',
    other_fees_details: {},
    other_fees_gross_amount: 0,
    report_date: date,
    settlement_date: date,
    transaction_token: entry.transactionToken,
    transactions_gross_amount: entry.amount,
    type: entry.type,
    updated: entry.created,
  };
}

/**
 * Closes a day and lets the bank move its net amount. The day is closed and stored before the bank is told, and the bank is told
 * under a reference that names the day: told again after a lost answer, it books nothing new.
 */
export async function settleDay(
  file: StateFile<NetworkState>,
  bank: BankAccess | null,
  date: string,
): Promise<SettledDay> {
  const state = file.value;
  let day = state.settledDays[date];
  if (day === undefined) {
    const entries = entriesOf(state, date);
    day = {
      date,
      netAmount: netOf(entries),
      bankReference: `LITHIC-SETTLEMENT-${date}`,
      closedAt: new Date().toISOString(),
      booked: false,
    };
    for (const entry of entries) entry.settlementDate = date;
    state.settledDays[date] = day;
    await file.save();
  }
  if (!day.booked) {
    if (day.netAmount !== 0) await bookAtBank(bank, day);
    day.booked = true;
    await file.save();
  }
  return day;
}

async function bookAtBank(bank: BankAccess | null, day: SettledDay): Promise<void> {
  if (bank === null) throw new Refusal(503, 'No settlement bank is configured');
  const size = Math.abs(day.netAmount);
  const body = {
    account_id: bank.accountId,
    reference: day.bankReference,
    amount: `${Math.trunc(size / 100)}.${String(size % 100).padStart(2, '0')}`,
    direction: day.netAmount > 0 ? 'debit' : 'credit',
    description: 'Card network settlement',
  };
  let status: number;
  try {
    const response = await fetch(`${bank.baseUrl.replace(/\/+$/, '')}/sim/debits`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${bank.apiKey}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(BANK_TIMEOUT_MS),
    });
    status = response.status;
    await response.arrayBuffer();
  } catch {
    throw new Refusal(502, 'The settlement bank does not answer; settle the day again');
  }
  if (status < 200 || status >= 300)
    throw new Refusal(502, `The settlement bank answered ${status}; settle the day again`);
}
