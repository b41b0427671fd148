import type { NetworkSettlementSummary, Processor, VendorOutcome } from '../providers/processor/port';
import { formatId } from '../shared/ids';
import { sumBigint } from '../shared/money';
import { notAnswered, type Proof, type ShowAmount, sameAmount } from './proof';
import type { NetDebit, ProgramNetworkLine } from './reconciliation.repository';

const DAY_MS = 86_400_000;
/** Networks settle within days: what is older and unpaid is a matter for people. */
const DAYS_BACK_MAX = 45;

/** `network.payable` of each program against what the processor's settlement reports say is not paid yet. */
export async function proveNetwork(
  processor: Processor,
  books: { readonly programs: readonly ProgramNetworkLine[]; readonly balances: readonly NetDebit[] },
  now: Date,
  show: ShowAmount,
): Promise<readonly Proof[]> {
  const asked = new Map<string, Promise<VendorOutcome<NetworkSettlementSummary>>>();
  const ask = (date: string): Promise<VendorOutcome<NetworkSettlementSummary>> => {
    const known = asked.get(date) ?? processor.settlementSummary(date);
    asked.set(date, known);
    return known;
  };
  const proofs: Proof[] = [];
  for (const program of books.programs) {
    const expected = -sumBigint(
      books.balances
        .filter(({ type, key }) => type === 'network.payable' && key === program.id)
        .map(({ net_debit }) => net_debit),
    );
    const name = `network_payable_equals_settlement.${formatId('program', program.id)}`;
    const owed = program.first_date === null ? { kind: 'ok' as const, value: 0n } : await unpaid(ask, program, now);
    proofs.push(
      owed.kind === 'ok'
        ? sameAmount(name, show, 'USD', { expected, found: owed.value })
        : notAnswered(name, show(expected, 'USD'), owed.kind === 'unknown' ? owed.detail : owed.code),
    );
  }
  return proofs;
}

/** The program's part of every closed date that is not paid, and of the date that is open. */
async function unpaid(
  ask: (date: string) => Promise<VendorOutcome<NetworkSettlementSummary>>,
  program: ProgramNetworkLine,
  now: Date,
): Promise<VendorOutcome<bigint>> {
  const today = dateOf(now);
  const after = program.settled_until === null ? null : nextDate(program.settled_until);
  const earliest = dateOf(new Date(now.getTime() - DAYS_BACK_MAX * DAY_MS));
  const from = [after ?? program.first_date ?? today, earliest].sort().at(-1) ?? today;
  let sum = 0n;
  let openDate = today > (program.settled_until ?? '') ? today : nextDate(program.settled_until ?? today);
  for (let date = from; date <= today; date = nextDate(date)) {
    const summary = await ask(date);
    if (summary.kind !== 'ok') return summary;
    if (!summary.value.isComplete) continue;
    sum += partOf(program, summary.value);
    if (date === openDate) openDate = nextDate(date);
  }
  // What comes after a date was closed is told with the next one.
  const open = await ask(openDate);
  if (open.kind !== 'ok') return open;
  return { kind: 'ok', value: sum + partOf(program, open.value) };
}

/** A network settles all our programs in one amount; each movement names its card. */
function partOf(program: ProgramNetworkLine, summary: NetworkSettlementSummary): bigint {
  const own = new Set(program.card_tokens);
  return sumBigint(summary.items.filter(({ cardToken }) => own.has(cardToken)).map(({ amount }) => amount));
}

function dateOf(instant: Date): string {
  return instant.toISOString().slice(0, 10);
}

function nextDate(date: string): string {
  return dateOf(new Date(Date.parse(`${date}T00:00:00Z`) + DAY_MS));
}
