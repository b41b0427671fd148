import { formatDecimal } from '../../shared/money';

/** One movement as the network's report names it. Cents, above zero owed to the network. */
export interface NetworkItem {
  readonly messageIds: readonly string[];
  readonly amount: bigint;
}

/** A card transaction on our books that the date may be about. */
export interface LedgerItem {
  readonly messageId: string;
  /** Cents, above zero owed to the network. */
  readonly amount: bigint;
  /** Settled by another date already. */
  readonly settled: boolean;
  /** Happened on an earlier day than the report's, so that no cut-off explains why the report leaves it out. */
  readonly earlier: boolean;
}

export interface SettlementComparison {
  /** What our books say is owed for the date. */
  readonly ledgerAmount: bigint;
  /** In words; null when every single movement agrees. */
  readonly difference: string | null;
}

/** So many message ids are named in a difference; the rest is counted. */
const NAMED_MAX = 5;

/**
 * Compares a date movement by movement, because two errors of the same size would hide in the sums. What the report names
 * belongs to the date. What it leaves out belongs to a later date when it happened on the day itself (it came after the
 * network's cut-off), and is a difference when it happened before.
 */
export function compareSettlement(
  network: readonly NetworkItem[],
  ledger: readonly LedgerItem[],
): SettlementComparison {
  const open = new Map(ledger.filter((item) => !item.settled).map((item) => [item.messageId, item.amount]));
  const settled = new Set(ledger.filter((item) => item.settled).map((item) => item.messageId));
  let ledgerAmount = 0n;
  const unknown: string[] = [];
  const repeated: string[] = [];
  const unequal: string[] = [];
  for (const item of network) {
    let ours = 0n;
    let complete = true;
    for (const messageId of item.messageIds) {
      const amount = open.get(messageId);
      if (amount === undefined) {
        complete = false;
        (settled.has(messageId) ? repeated : unknown).push(messageId);
      } else {
        ours += amount;
        open.delete(messageId);
      }
    }
    ledgerAmount += ours;
    if (complete && ours !== item.amount) unequal.push(item.messageIds.join('+'));
  }
  const left = ledger.filter((item) => item.earlier && open.has(item.messageId));
  for (const item of left) ledgerAmount += item.amount;

  const findings = [
    finding(unknown, 'not on the ledger'),
    finding(repeated, 'settled before'),
    finding(unequal, 'of another amount on the ledger'),
    finding(
      left.map((item) => item.messageId),
      'not in the report',
    ),
  ].filter((text) => text !== null);
  return { ledgerAmount, difference: findings.length === 0 ? null : findings.join('; ') };
}

function finding(messageIds: readonly string[], what: string): string | null {
  if (messageIds.length === 0) return null;
  const more = messageIds.length > NAMED_MAX ? ', …' : '';
  return `${messageIds.length} ${what} (${messageIds.slice(0, NAMED_MAX).join(', ')}${more})`;
}

/** `network 12.00, ledger 10.00 USD: why`. */
export function differenceText(network: bigint, ledger: bigint, why: string): string {
  return `network ${formatDecimal(network, 2)}, ledger ${formatDecimal(ledger, 2)} USD: ${why}`;
}

/** The same of what the bank moved for a date on which network and ledger may agree. */
export function bankDifferenceText(network: bigint, ledger: bigint, paid: bigint): string {
  return differenceText(network, ledger, `the bank moved ${formatDecimal(paid, 2)}`);
}

/** What a settlement that is over says of a difference while its books are in order: the one that was accepted, if any. */
export function acceptedText(row: {
  readonly accepted_at: Date | null;
  readonly network_amount: bigint | null;
  readonly ledger_amount: bigint | null;
  readonly paid_amount: bigint | null;
}): string | null {
  const { network_amount: network, ledger_amount: ledger, paid_amount: paid } = row;
  if (row.accepted_at === null || network === null || ledger === null || paid === null) return null;
  return bankDifferenceText(network, ledger, paid);
}
