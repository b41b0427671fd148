import type { Knex } from 'knex';
import { inOrganization, type Transaction } from '../database/transaction';
import { type BankSearch, findBankTransaction } from '../funding/find-bank-transaction';
import { postTransactions } from '../ledger/post-transactions';
import { settleNetwork } from '../ledger/templates/settle-network';
import { appendEvent } from '../outbox/append-event';
import type { BankStatements } from '../providers/off-ramp/port';
import type { NetworkSettlementItem, NetworkSettlementSummary, Processor } from '../providers/processor/port';
import { invariant, required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { formatId } from '../shared/ids';
import { formatDecimal, sumBigint } from '../shared/money';
import { usdDocument } from '../shared/money-document';
import { done, type StepResult, WAIT_MS, waiting } from '../shared/step';
import { compareSettlement, differenceText } from './rules/compare-settlement';
import { next, type SettlementEvent } from './rules/settlement-state';
import {
  findSettlement,
  foreignCards,
  ledgerItems,
  lockSettlement,
  markTransactionsSettled,
  type SettlementChange,
  type SettlementRow,
  updateSettlement,
} from './settlement.repository';

export interface AdvanceSettlementDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly processor: Pick<Processor, 'vendor' | 'settlementSummary'>;
  readonly bank: BankStatements;
}

export interface SettlementKey {
  readonly organizationId: string;
  readonly settlementId: string;
}

/**
 * Brings one settlement forward. `closed`: the network's report for the date is complete and agrees with the ledger,
 * movement by movement. `paid`: the bank shows what the network took or paid, and the books have it. `reconciled`: the
 * three say the same. A difference is recorded and told once; before the close it leaves the settlement `open`, which is
 * looked at again by itself, and at the bank it leaves it `paid` for an operator.
 *
 * Days are UTC days. A processor reports and pays all programs in one: what is on cards of another program is left out, and the
 * bank's entry is compared with the whole report. Where the bank's entry differs from it, the program is taken to be the
 * only one at the processor and books the difference.
 */
export async function advanceSettlement(deps: AdvanceSettlementDeps, key: SettlementKey): Promise<StepResult> {
  const { organizationId, settlementId } = key;
  const row = await inOrganization(deps.knex, organizationId, async (trx) =>
    required(await findSettlement(trx, organizationId, settlementId), `settlement ${settlementId}`),
  );
  if (row.state === 'reconciled') return done('reconciled');
  if (row.state === 'paid') return stuck('paid', row.difference ?? 'the bank moved another amount');
  const summary = await deps.processor.settlementSummary(row.date);
  if (summary.kind === 'unknown') return waiting(row.state, `no report: ${summary.detail}`, WAIT_MS.vendor);
  if (summary.kind === 'rejected') return waiting(row.state, `report refused: ${summary.code}`, WAIT_MS.operator);
  if (!summary.value.isComplete) return waiting(row.state, 'the network has not closed the date', WAIT_MS.vendor);
  return row.state === 'open' ? close(deps, key, summary.value) : pay(deps, key, summary.value);
}

/** Only a signal brings news: somebody has to act. */
function stuck(state: SettlementRow['state'], reason: string): StepResult {
  return { done: false, state, reason, waitMs: null };
}

async function close(
  deps: AdvanceSettlementDeps,
  key: SettlementKey,
  report: NetworkSettlementSummary,
): Promise<StepResult> {
  const { organizationId } = key;
  const difference = await inOrganization(deps.knex, organizationId, async (trx) => {
    const row = await lock(trx, key);
    if (row.state !== 'open') return null;
    const named = await itemsOfProgram(trx, row.program_id, deps.processor.vendor, report);
    const network = sumBigint(named.map((item) => item.amount));
    const items = await ledgerItems(trx, organizationId, {
      programId: row.program_id,
      vendor: deps.processor.vendor,
      date: row.date,
      messageIds: named.flatMap((item) => item.messageIds),
    });
    const compared = compareSettlement(named, items);
    const why = compared.difference;
    const found = { network_amount: network, ledger_amount: compared.ledgerAmount };
    if (why !== null) {
      const text = differenceText(network, compared.ledgerAmount, why);
      await recordDifference(trx, key, row, { ...found, difference: text });
      return text;
    }
    await move(trx, key, row, 'closed', { ...found, difference: null });
    await tell(trx, key, { ...row, ...found, state: 'closed', difference: null }, 'settlement.closed');
    return null;
  });
  if (difference !== null) return waiting('open', difference, WAIT_MS.operator);
  return waiting('closed', 'next: the bank', 0);
}

async function pay(
  deps: AdvanceSettlementDeps,
  key: SettlementKey,
  report: NetworkSettlementSummary,
): Promise<StepResult> {
  const { organizationId, settlementId } = key;
  const reference = report.bankReference;
  const movement = await bankMovement(deps, report);
  if (movement.kind === 'unknown')
    return waiting('closed', `the bank does not answer: ${movement.detail}`, WAIT_MS.vendor);
  if (movement.transaction === null) return waiting('closed', `${reference} is not at the bank yet`, WAIT_MS.vendor);
  const { amount, direction, bookedAt } = movement.transaction;
  const moved = direction === 'debit' ? amount : -amount;
  const difference = await inOrganization(deps.knex, organizationId, async (trx) => {
    const row = await lock(trx, key);
    if (row.state !== 'closed') return row.difference;
    const ledger = required(row.ledger_amount, 'ledger amount of a closed settlement');
    const named = await itemsOfProgram(trx, row.program_id, deps.processor.vendor, report);
    const network = sumBigint(named.map((item) => item.amount));
    const paid = network + moved - report.netAmount;
    if (paid !== 0n) {
      const draft = { settlementId, programId: row.program_id, netAmount: paid, effectiveAt: bookedAt };
      await postTransactions(trx, organizationId, [settleNetwork(draft)]);
    }
    await markTransactionsSettled(
      trx,
      organizationId,
      deps.processor.vendor,
      named.flatMap((item) => item.messageIds),
    );
    const booked = { bank_reference: paid === 0n ? null : reference };
    await move(trx, key, row, 'paid', booked);
    const after = { ...row, ...booked, state: 'paid' as const };
    if (paid === ledger && network === ledger) {
      await move(trx, key, after, 'agreed');
      await tell(trx, key, { ...after, state: 'reconciled' }, 'settlement.reconciled');
      return null;
    }
    const text = differenceText(network, ledger, `the bank moved ${formatDecimal(paid, 2)}`);
    await recordDifference(trx, key, after, { difference: text });
    return text;
  });
  return difference === null ? done('reconciled') : stuck('paid', difference);
}

/** The bank's entry of the report, whatever its direction. A date of zero moves nothing, so there is none to wait for. */
async function bankMovement(deps: AdvanceSettlementDeps, report: NetworkSettlementSummary): Promise<BankSearch> {
  const reference = report.bankReference;
  if (report.netAmount !== 0n) return findBankTransaction(deps.bank, { reference, direction: null });
  const none = { id: reference, reference, direction: 'debit' as const, amount: 0n, bookedAt: deps.clock.now() };
  return { kind: 'searched', transaction: none };
}

/** What the report says of the program: its own cards, and cards that nobody knows. */
async function itemsOfProgram(
  trx: Transaction,
  programId: string,
  vendor: string,
  report: NetworkSettlementSummary,
): Promise<readonly NetworkSettlementItem[]> {
  const tokens = [...new Set(report.items.map((item) => item.cardToken))];
  const foreign = await foreignCards(trx, programId, vendor, tokens);
  return report.items.filter((item) => !foreign.has(item.cardToken));
}

async function lock(trx: Transaction, { organizationId, settlementId }: SettlementKey): Promise<SettlementRow> {
  return required(await lockSettlement(trx, organizationId, settlementId), `settlement ${settlementId}`);
}

async function move(
  trx: Transaction,
  key: SettlementKey,
  row: SettlementRow,
  event: SettlementEvent,
  change: SettlementChange = {},
): Promise<void> {
  const transition = next(row.state, event);
  invariant(transition.kind === 'changed', `settlement ${row.id}: ${event} in state ${row.state}`);
  await updateSettlement(trx, key.organizationId, row.id, { ...change, state: transition.state });
}

/** Records a difference, and tells of it unless it is the one that was told before. */
async function recordDifference(
  trx: Transaction,
  key: SettlementKey,
  row: SettlementRow,
  change: SettlementChange & { readonly difference: string },
): Promise<void> {
  if (row.difference === change.difference) return;
  await updateSettlement(trx, key.organizationId, row.id, change);
  await tell(trx, key, { ...row, ...change }, 'settlement.difference_found');
}

async function tell(trx: Transaction, key: SettlementKey, row: SettlementRow, type: string): Promise<void> {
  const money = (amount: bigint | null) => (amount === null ? null : usdDocument(amount));
  await appendEvent(trx, {
    organizationId: key.organizationId,
    type,
    resourceKind: 'settlement',
    resourceId: row.id,
    data: {
      program_id: formatId('program', row.program_id),
      date: row.date,
      state: row.state,
      network_amount: money(row.network_amount),
      ledger_amount: money(row.ledger_amount),
      bank_reference: row.bank_reference,
      difference: row.difference,
    },
  });
}
