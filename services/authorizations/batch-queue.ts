/** How batches are cut. Measured in decision 0001. */
export interface BatchQueueLimits {
  /** Batches running at once. Two keep PostgreSQL busy while the next is decided; more only add conflicts. */
  readonly inFlightMax: number;
  /**
   * Pending items from which a batch runs beside another. A batch has a cost of its own, as much as that of some eight items, so
   * that fewer are answered sooner together, after the batch that runs. Measured in turns with 0, 8, 16, 32 and 64: over HTTP at
   * half the sustainable rate 32 has a p95 of 19 ms where 0 has 60.
   */
  readonly besideFrom: number;
  /** Items in one batch. */
  readonly batchMax: number;
  /** Items waiting; one more is refused at once, since it could not be answered in time anyway. */
  readonly waitingMax: number;
}

/** A batch that takes longer than this (it waits for a lock, or for a server that is gone) holds nobody up behind it. */
const BESIDE_AFTER_MS = 20;

/**
 * Collects items while batches run. No timer delays an item: an idle queue runs it at once, a busy one batches by itself.
 * While a batch runs, the next one is cut at the end of the event-loop turn and takes at most its share of all pending
 * items: cut at once, it would hold the first item of a burst alone (measured at 32 in flight: batches of 1 and 31 in turn,
 * 2.6k/s); cut without the share, nothing would overlap. Few pending items go together once the running batch has ended. At most
 * one item per lane (an account) is in flight, because two in one batch could not both be decided on the same snapshot.
 */
export class BatchQueue<T> {
  private waiting: T[] = [];
  private readonly busyLanes = new Set<string>();
  private inFlight = 0;
  private pumpScheduled = false;
  private patience: NodeJS.Timeout | null = null;

  constructor(
    private readonly limits: BatchQueueLimits,
    /** Runs a batch; returns the items to be run again. It never rejects. */
    private readonly run: (items: readonly T[]) => Promise<readonly T[]>,
    /** Asked when a batch is cut; it may become better known while an item waits. */
    private readonly laneOf: (item: T) => string,
  ) {}

  /** Adds an item; false when the queue is full and it was not taken. */
  push(item: T): boolean {
    if (this.waiting.length >= this.limits.waitingMax) return false;
    this.waiting.push(item);
    this.schedulePump();
    return true;
  }

  /** Items waiting or in flight. */
  get size(): number {
    return this.waiting.length + this.busyLanes.size;
  }

  private schedulePump(): void {
    if (this.inFlight === 0) {
      this.pump();
    } else if (!this.pumpScheduled) {
      this.pumpScheduled = true;
      setImmediate(() => {
        this.pumpScheduled = false;
        this.pump();
      });
    }
  }

  /** Batches that may run at once with what is pending. */
  private placesNow(): number {
    return this.size < this.limits.besideFrom ? 1 : this.limits.inFlightMax;
  }

  private pump(places = this.placesNow()): void {
    while (this.inFlight < places) {
      const batch = this.cut(places);
      if (batch.size === 0) return;
      void this.start(batch);
    }
    const { inFlightMax } = this.limits;
    if (this.waiting.length === 0 || this.inFlight >= inFlightMax || this.patience !== null) return;
    this.patience = setTimeout(() => {
      this.patience = null;
      this.pump(inFlightMax);
    }, BESIDE_AFTER_MS);
  }

  /** The next batch, by lane. */
  private cut(places: number): ReadonlyMap<string, T> {
    const batch = new Map<string, T>();
    const left: T[] = [];
    const share = Math.ceil(this.size / places);
    const most = Math.min(this.limits.batchMax, share);
    for (const item of this.waiting) {
      const lane = batch.size < most ? this.laneOf(item) : null;
      if (lane !== null && !this.busyLanes.has(lane)) {
        this.busyLanes.add(lane);
        batch.set(lane, item);
      } else {
        left.push(item);
      }
    }
    if (batch.size > 0) this.waiting = left;
    return batch;
  }

  private async start(batch: ReadonlyMap<string, T>): Promise<void> {
    this.inFlight += 1;
    const again = await this.run([...batch.values()]);
    this.inFlight -= 1;
    if (this.patience !== null) clearTimeout(this.patience);
    this.patience = null;
    for (const lane of batch.keys()) this.busyLanes.delete(lane);
    if (again.length > 0) this.waiting = [...again, ...this.waiting];
    if (this.waiting.length > 0) this.schedulePump();
  }
}
