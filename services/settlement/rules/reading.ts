/** How far the network's report and the bank's statement were when a look read them. */
export interface Reading {
  readonly reportUpdatedAt: Date;
  /** Of the bank under the settlement's reference; null where the bank was not read. */
  readonly bankEntries: number | null;
}

/** The same of the look that was recorded last; null where it had read none, or it was not kept. */
export interface RecordedReading {
  readonly report_updated_at: Date | null;
  readonly bank_entries: number | null;
}

/**
 * Whether a look has read something older than the one recorded last. A report that changes gets a later time, and the bank's
 * entries under a reference only become more. One that has read both as they were recorded is not older: our own books may have
 * moved since.
 */
export function isOlder(reading: Reading, recorded: RecordedReading): boolean {
  const { report_updated_at: reportUpdatedAt, bank_entries: bankEntries } = recorded;
  if (reportUpdatedAt !== null && reading.reportUpdatedAt.getTime() < reportUpdatedAt.getTime()) return true;
  return bankEntries !== null && reading.bankEntries !== null && reading.bankEntries < bankEntries;
}
