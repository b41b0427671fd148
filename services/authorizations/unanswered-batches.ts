/** Committed holds whose answers are on their way, by batch. */
interface Batch {
  readonly id: string;
  left: number;
}

/** Holds remembered; beyond, the oldest are left to the sweeper. */
const HOLDS_KEPT_MAX = 100_000;

/**
 * Knows which answers of which batch are still to be handed over. A batch is answered once all of them are; what never is
 * (the process died, the vendor hung up) is found by the sweeper, which asks the processor what became of it.
 */
export class UnansweredBatches {
  private readonly batchOf = new Map<string, Batch>();
  private answered: string[] = [];

  /** `keys` name the messages of the batch that were approved with a hold. */
  expect(batchId: string, keys: readonly string[]): void {
    const batch: Batch = { id: batchId, left: keys.length };
    for (const key of keys) this.batchOf.set(key, batch);
    if (this.batchOf.size <= HOLDS_KEPT_MAX) return;
    for (const oldest of this.batchOf.keys()) {
      this.batchOf.delete(oldest);
      if (this.batchOf.size <= HOLDS_KEPT_MAX) return;
    }
  }

  /** The answer to a message was handed over, or its hold was given up. Saying it again changes nothing. */
  resolved(key: string): void {
    const batch = this.batchOf.get(key);
    if (!batch) return;
    this.batchOf.delete(key);
    batch.left -= 1;
    if (batch.left === 0) this.answered.push(batch.id);
  }

  /** Batches that have been answered since this was last asked. */
  take(): readonly string[] {
    const taken = this.answered;
    this.answered = [];
    return taken;
  }

  /** They could not be noted: they are taken again. */
  putBack(batchIds: readonly string[]): void {
    this.answered = [...batchIds, ...this.answered];
  }
}
