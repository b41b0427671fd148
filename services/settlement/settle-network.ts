import type { Knex } from 'knex';
import { inOrganization, type Transaction } from '../database/transaction';
import { findBankTransaction } from '../funding/find-bank-transaction';
import { ledgerAccountId } from '../ledger/account-id';
import { networkPayableOf } from '../ledger/account-refs';
import { postTransactions } from '../ledger/post-transactions';
import { settleNetwork as settleNetworkDraft } from '../ledger/templates/settle-network';
import { appendEvent } from '../outbox/append-event';
import type { BankStatements, BankTransaction } from '../providers/off-ramp/port';
import type { Processor } from '../providers/processor/port';
import { invariant, required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { formatId } from '../shared/ids';
import { usdDocument } from '../shared/money-document';
import { done, type StepResult, WAIT_MS, waiting } from '../shared/step';
import { next, type SettlementEvent } from './rules/settlement-state';
import {
  findSettlement,
  lockSettlement,
  markTransactionsSettled,
  payableUntil,
  type SettlementRow,
  updateSettlement,
} from './settlement.repository';

export interface SettleNetworkDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly processor: Processor;
  readonly bank: BankStatements;
}

export interface SettlementKey {
  readonly organizationId: string;
  readonly settlementId: string;
}

/** How the network's movement is referenced at the settlement bank, e.g. `LITHIC-SETTLEMENT-2026-11-21`: agreed with the bank per vendor. */
function networkSettlementReference(vendor: string, date: string): string {
  return `${vendor.toUpperCase()}-SETTLEMENT-${date}`;
}

/**
 * Brings one settlement forward: the network's figure, the bank's movement, the ledger. What the bank moved is posted, whatever the others say;
 * it is `reconciled` only when all three agree. A difference is recorded and told, and the settlement then stays `paid`.
 */
export async function settleNetwork(deps: SettleNetworkDeps, key: SettlementKey): Promise<StepResult> {
  const { organizationId, settlementId } = key;
  const row = await inOrganization(deps.knex, organizationId, async (trx) =>
    required(await findSettlement(trx, organizationId, settlementId), `settlement ${settlementId}`),
  );
  switch (row.state) {
    case 'open':
    case 'closed':
      return closeAndPay(deps, key, row);
    case 'paid':
    case 'reconciled':
      return done(row.state);
  }
}

async function closeAndPay(deps: SettleNetworkDeps, key: SettlementKey, row: SettlementRow): Promise<StepResult> {
  const { organizationId, settlementId } = key;
  const reference = networkSettlementReference(deps.processor.vendor, row.date);
  // The bank first: what moved there is final, and the figure that belongs to it is the one read afterwards.
  const bank = await findBankTransaction(deps.bank, { reference, direction: null });
  const summary = await deps.processor.settlementSummary(row.date);
  if (summary.kind !== 'ok') {
    const detail = summary.kind === 'unknown' ? summary.detail : summary.code;
    return waiting(row.state, `the network's report is not to be had: ${detail}`, WAIT_MS.vendor);
  }
  const network = summary.value.netAmount;
  const paid = bank.kind === 'searched' ? bank.transaction : null;
  const state = await inOrganization(deps.knex, organizationId, async (trx) => {
    const locked = required(await lockSettlement(trx, organizationId, settlementId), 'settlement');
    if (locked.state === 'paid' || locked.state === 'reconciled') return locked.state;
    const ledger = await payableUntil(trx, organizationId, {
      payableAccountId: ledgerAccountId(organizationId, networkPayableOf(locked.program_id)),
      date: locked.date,
      settlementKey: `settlement:${settlementId}`,
    });
    if (locked.state === 'open') await move(trx, key, locked, 'closed');
    await updateSettlement(trx, organizationId, settlementId, { network_amount: network, ledger_amount: ledger });
    if (paid === null) return 'closed';
    return bookMovement(trx, deps, key, { ...locked, state: 'closed' }, { network, ledger, paid });
  });
  if (state !== 'closed') return done(state);
  const reason =
    bank.kind === 'unknown' ? `the bank does not answer: ${bank.detail}` : `${reference} is not at the bank`;
  return waiting('closed', reason, WAIT_MS.vendor);
}

async function move(
  trx: Transaction,
  key: SettlementKey,
  row: SettlementRow,
  event: SettlementEvent,
): Promise<SettlementRow['state']> {
  const transition = next(row.state, event);
  invariant(transition.kind !== 'refused', `settlement ${row.id}: ${event} in state ${row.state}`);
  await updateSettlement(trx, key.organizationId, row.id, { state: transition.state });
  return transition.state;
}

async function bookMovement(
  trx: Transaction,
  deps: SettleNetworkDeps,
  key: SettlementKey,
  row: SettlementRow,
  figures: { readonly network: bigint; readonly ledger: bigint; readonly paid: BankTransaction },
): Promise<SettlementRow['state']> {
  const { organizationId } = key;
  const { network, ledger, paid } = figures;
  const bank = paid.direction === 'debit' ? paid.amount : -paid.amount;
  await postTransactions(trx, organizationId, [
    settleNetworkDraft({
      settlementId: row.id,
      programId: row.program_id,
      netAmount: bank,
      effectiveAt: paid.bookedAt,
    }),
  ]);
  const agreed = network === ledger && ledger === bank;
  const difference = agreed ? null : `network ${network}, ledger ${ledger}, bank ${bank} cents`;
  let state = await move(trx, key, row, 'paid');
  await updateSettlement(trx, organizationId, row.id, { bank_reference: paid.reference, difference });
  if (agreed) {
    state = await move(trx, key, { ...row, state }, 'agreed');
    await markTransactionsSettled(trx, organizationId, row.program_id, row.date);
  }
  await appendEvent(trx, {
    organizationId,
    type: agreed ? 'settlement.reconciled' : 'reconciliation.broken',
    resourceKind: 'settlement',
    resourceId: row.id,
    data: {
      program_id: formatId('program', row.program_id),
      date: row.date,
      network: usdDocument(network),
      ledger: usdDocument(ledger),
      bank: usdDocument(bank),
      difference,
      at: deps.clock.now().toISOString(),
    },
  });
  return state;
}
