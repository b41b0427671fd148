import { parseDecimal } from '../../../shared/money';
import type { BankTransaction } from '../port';
import type { EntryWire } from './wire';

/** Cents of a decimal with at most two digits after the point; a settlement account may be overdrawn. */
export function centsOf(text: string): bigint | null {
  const negative = text.startsWith('-');
  const parsed = parseDecimal(negative ? text.slice(1) : text, 2);
  if (!parsed.ok) return null;
  return negative ? -parsed.value : parsed.value;
}

export function toTransaction(entry: EntryWire): BankTransaction | null {
  const amount = centsOf(entry.amount);
  if (amount === null || amount < 0n) return null;
  return {
    id: entry.id,
    reference: entry.reference,
    direction: entry.direction,
    amount,
    bookedAt: new Date(entry.booked_at),
  };
}
