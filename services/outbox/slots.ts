/**
 * Calls that may be on their way at once, shared by several sources of work. A source may take what the others leave, but
 * never more than its share: so however much of one kind waits, the other kinds always find a slot within one call's time.
 */
export class Slots<Source> {
  private readonly used = new Map<Source, number>();
  private readonly waiting: { readonly source: Source; readonly enter: () => void }[] = [];
  private total = 0;

  constructor(
    private readonly limit: number,
    private readonly share: number,
  ) {}

  /** Calls on their way. */
  get inUse(): number {
    return this.total;
  }

  /** Runs `call` when a slot is free; first come, first served within a source. */
  async run<T>(source: Source, call: () => Promise<T>): Promise<T> {
    if (this.admits(source)) this.take(source);
    else await new Promise<void>((enter) => this.waiting.push({ source, enter }));
    try {
      return await call();
    } finally {
      this.give(source);
    }
  }

  private admits(source: Source): boolean {
    return this.total < this.limit && (this.used.get(source) ?? 0) < this.share;
  }

  private take(source: Source): void {
    this.total += 1;
    this.used.set(source, (this.used.get(source) ?? 0) + 1);
  }

  private give(source: Source): void {
    this.total -= 1;
    this.used.set(source, (this.used.get(source) ?? 0) - 1);
    const index = this.waiting.findIndex((each) => this.admits(each.source));
    const [next] = index < 0 ? [] : this.waiting.splice(index, 1);
    if (next === undefined) return;
    this.take(next.source);
    next.enter();
  }
}
