import type { Knex } from 'knex';
import { inOrganization, type Transaction } from '../database/transaction';
import { postTransactions } from '../ledger/post-transactions';
import { settleNetwork } from '../ledger/templates/settle-network';
import type { BankStatements } from '../providers/off-ramp/port';
import type { NetworkSettlementItem, NetworkSettlementSummary, Processor } from '../providers/processor/port';
import { invariant, required } from '../shared/assert';
import type { Clock } from '../shared/clock';
import { sumBigint } from '../shared/money';
import { done, type StepResult, WAIT_MS, waiting } from '../shared/step';
import { compareBooks } from './compare-books';
import { findBankEntries } from './find-bank-entries';
import { bankDifferenceText, compareSettlement, differenceText } from './rules/compare-settlement';
import { apartText, planBooking } from './rules/plan-booking';
import { isOlder } from './rules/reading';
import { next, type SettlementEvent } from './rules/settlement-state';
import {
  bookedOf,
  findSettlement,
  foreignCards,
  ledgerItems,
  lockSettlement,
  markTransactionsSettled,
  type SettlementChange,
  type SettlementRow,
  updateSettlement,
} from './settlement.repository';
import { tellSettlement } from './settlement-event';

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
 * looked at again by itself, and at the bank it leaves it `paid` for an operator: whose word has it compared again, with what
 * the bank, the network and we have corrected since, or lets it stand (`acceptDifference`). Where the books have another amount
 * of what the bank moved than the settlement says, an operator has the rest booked (`correctBooks`); no look does. A look at one
 * that is over compares the books alone.
 *
 * Days are UTC days. A processor reports and pays all programs in one: what is on cards of another program is left out, and the
 * bank's entry is compared with the whole report. Where the bank's entry differs from it, the program is taken to be the
 * only one at the processor and books the difference.
 *
 * Looks may overlap, and each reads the report and the bank before it locks the settlement. One that has read an older version
 * of the report, or fewer entries of the bank, than what is recorded changes nothing.
 */
export async function advanceSettlement(deps: AdvanceSettlementDeps, key: SettlementKey): Promise<StepResult> {
  const { organizationId, settlementId } = key;
  const row = await inOrganization(deps.knex, organizationId, async (trx) =>
    required(await findSettlement(trx, organizationId, settlementId), `settlement ${settlementId}`),
  );
  if (row.state === 'reconciled') {
    await inOrganization(deps.knex, organizationId, (trx) => compareBooks(trx, deps, key));
    return done('reconciled');
  }
  const summary = await deps.processor.settlementSummary(row.date);
  if (summary.kind === 'unknown') return waiting(row.state, `no report: ${summary.detail}`, WAIT_MS.vendor);
  if (summary.kind === 'rejected') return waiting(row.state, `report refused: ${summary.code}`, WAIT_MS.operator);
  if (!summary.value.isComplete) return waiting(row.state, 'the network has not closed the date', WAIT_MS.vendor);
  return row.state === 'open' ? close(deps, key, summary.value) : pay(deps, key, row.state, summary.value);
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
  const { organizationId, settlementId } = key;
  const difference = await inOrganization(deps.knex, organizationId, async (trx) => {
    const row = await lock(trx, key);
    if (row.state !== 'open') return null;
    if (isOlder({ reportUpdatedAt: report.updatedAt, bankEntries: null }, row)) {
      return required(row.difference, `difference of settlement ${settlementId}, which is open after a look`);
    }
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
    const found = {
      network_amount: network,
      ledger_amount: compared.ledgerAmount,
      report_updated_at: report.updatedAt,
      compared_at: deps.clock.now(),
    };
    if (why !== null) {
      const text = differenceText(network, compared.ledgerAmount, why);
      await recordDifference(trx, key, row, { ...found, difference: text });
      return text;
    }
    await move(trx, key, row, 'closed', { ...found, difference: null });
    await tellSettlement(trx, { ...row, ...found, state: 'closed', difference: null }, 'settlement.closed');
    return null;
  });
  if (difference !== null) return waiting('open', difference, WAIT_MS.operator);
  return waiting('closed', 'next: the bank', 0);
}

async function pay(
  deps: AdvanceSettlementDeps,
  key: SettlementKey,
  state: SettlementRow['state'],
  report: NetworkSettlementSummary,
): Promise<StepResult> {
  const { organizationId, settlementId } = key;
  const reference = report.bankReference;
  const bank = await bankMovement(deps, report);
  if (bank.kind === 'unknown') return waiting(state, `the bank does not answer: ${bank.detail}`, WAIT_MS.vendor);
  if (bank.kind === 'none') return waiting(state, `${reference} is not at the bank yet`, WAIT_MS.vendor);
  return inOrganization(deps.knex, organizationId, async (trx) => {
    const row = await lock(trx, key);
    if (row.state === 'reconciled') return done('reconciled');
    // Report and bank were read before the lock: who read more of them may have been quicker to record, and that stands.
    if (isOlder({ reportUpdatedAt: report.updatedAt, bankEntries: bank.entries }, row)) {
      if (row.state !== 'paid') return waiting(row.state, 'a newer report is known', WAIT_MS.vendor);
      return stuck('paid', required(row.difference, `difference of settlement ${settlementId}, which is paid`));
    }
    const named = await itemsOfProgram(trx, row.program_id, deps.processor.vendor, report);
    const network = sumBigint(named.map((item) => item.amount));
    const ledger = await ledgerAmountNow(trx, deps.processor.vendor, row, named);
    const paid = paidNow(row, { network, net: report.netAmount, moved: bank.moved });
    const lacking = await book(trx, row, paid, bank);
    await markTransactionsSettled(
      trx,
      organizationId,
      deps.processor.vendor,
      named.flatMap((item) => item.messageIds),
    );
    const found = {
      network_amount: network,
      ledger_amount: ledger,
      paid_amount: paid,
      bank_amount: bank.moved,
      bank_entries: bank.entries,
      report_updated_at: report.updatedAt,
      bank_reference: paid === 0n ? null : reference,
      books_difference: lacking,
      compared_at: deps.clock.now(),
    };
    if (row.state === 'closed') await move(trx, key, row, 'paid', found);
    const after = { ...row, ...found, state: 'paid' as const };
    if (lacking !== null) {
      const text = apartText(paid, lacking);
      await recordDifference(trx, key, after, { ...found, difference: text });
      return stuck('paid', text);
    }
    if (paid === ledger && network === ledger) {
      await move(trx, key, after, 'agreed', { ...found, difference: null });
      await tellSettlement(trx, { ...after, state: 'reconciled', difference: null }, 'settlement.reconciled');
      return done('reconciled');
    }
    const text = bankDifferenceText(network, ledger, paid);
    await recordDifference(trx, key, after, { ...found, difference: text });
    return stuck('paid', text);
  });
}

/**
 * What our books owe for the date. A settlement that is paid may since have got movements that the report names now and we
 * have recorded meanwhile; those that it was closed with are settled.
 */
async function ledgerAmountNow(
  trx: Transaction,
  vendor: string,
  row: SettlementRow,
  named: readonly NetworkSettlementItem[],
): Promise<bigint> {
  const closedWith = required(row.ledger_amount, 'ledger amount of a closed settlement');
  if (row.state === 'closed') return closedWith;
  const messageIds = named.flatMap((item) => item.messageIds);
  const { program_id: programId, date } = row;
  const items = await ledgerItems(trx, row.organization_id, { programId, vendor, date, messageIds });
  const wanted = new Set(messageIds);
  return (
    closedWith +
    sumBigint(items.filter((item) => !item.settled && wanted.has(item.messageId)).map((item) => item.amount))
  );
}

/** What the bank has moved for the program, cents. Later entries are this program's: nobody else's settlement waits for them. */
function paidNow(
  row: SettlementRow,
  seen: { readonly network: bigint; readonly net: bigint; readonly moved: bigint },
): bigint {
  const atOnce = seen.network + seen.moved - seen.net;
  if (row.paid_amount === null || row.bank_amount === null) return atOnce;
  return row.paid_amount + seen.moved - row.bank_amount;
}

/**
 * Books what the bank has moved since the settlement was last booked. Where the books are otherwise than the settlement says,
 * nothing is booked: returns what they lack then, for an operator to have booked.
 */
async function book(trx: Transaction, row: SettlementRow, paid: bigint, bank: Movement): Promise<bigint | null> {
  const said = row.paid_amount ?? (row.state === 'closed' ? 0n : null);
  const booked = await bookedOf(trx, row.organization_id, row.id);
  const draft = settleNetwork({
    settlementId: row.id,
    programId: row.program_id,
    netAmount: paid - booked.amount,
    effectiveAt: bank.bookedAt,
    ...(row.state === 'closed' ? {} : { correction: bank.entries }),
  });
  const plan = planBooking({ paid, said, booked, key: draft.idempotencyKey });
  if (plan.kind === 'apart') return plan.amount;
  if (plan.kind === 'nothing') return null;
  const [posted] = await postTransactions(trx, row.organization_id, [draft]);
  invariant(posted?.kind === 'posted', `settlement ${row.id}: ${draft.idempotencyKey} is booked, and not for it`);
  return null;
}

/** What the bank has moved under a reference, cents, above zero to the network. */
interface Movement {
  readonly kind: 'moved';
  readonly moved: bigint;
  readonly entries: number;
  readonly bookedAt: Date;
}

type BankMovement = Movement | { readonly kind: 'none' } | { readonly kind: 'unknown'; readonly detail: string };

/** The bank's entries of the report, whatever their direction. A date of zero moves nothing, so there is none to wait for. */
async function bankMovement(deps: AdvanceSettlementDeps, report: NetworkSettlementSummary): Promise<BankMovement> {
  const found = await findBankEntries(deps.bank, report.bankReference);
  if (found.kind === 'unknown') return found;
  const { entries } = found;
  const last = entries.at(-1);
  if (last === undefined && report.netAmount !== 0n) return { kind: 'none' };
  return {
    kind: 'moved',
    moved: sumBigint(entries.map(({ amount, direction }) => (direction === 'debit' ? amount : -amount))),
    entries: entries.length,
    bookedAt: last?.bookedAt ?? deps.clock.now(),
  };
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
  const news = row.difference !== change.difference;
  await updateSettlement(trx, key.organizationId, row.id, change, news);
  if (news) await tellSettlement(trx, { ...row, ...change }, 'settlement.difference_found');
}
