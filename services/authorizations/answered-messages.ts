import type { AuthorizationRequest } from '../providers/processor/port';

/** A purchase that was decided here. Ids are plain UUIDs. */
export interface AnsweredPurchase {
  readonly organizationId: string;
  readonly authorizationId: string;
  readonly processorAuthorizationId: string;
}

/**
 * Which purchase each of the latest first messages began. A message's id stands in the row of its purchase, and rows are
 * looked up by purchase: one whose id comes again for *another* purchase is found here. An index on the ids would find those
 * of other processes and of before a restart too, and was weighed (docs/decisions/0003). Ids of later messages have their
 * own table, where the commit looks.
 */
export class AnsweredMessages {
  private latest = new Map<string, AnsweredPurchase>();
  private before: ReadonlyMap<string, AnsweredPurchase> = new Map();

  constructor(
    /** So many of the latest messages are known for certain, and up to twice as many. Each takes some 200 bytes. */
    private readonly messagesMin: number,
  ) {}

  /** `key` names the message within its vendor. */
  keep(key: string, purchase: AnsweredPurchase): void {
    this.latest.set(key, purchase);
    if (this.latest.size < this.messagesMin) return;
    // As a whole: a map that loses its oldest entry each time looks for the next behind all that were lost before.
    this.before = this.latest;
    this.latest = new Map();
  }

  /** The purchase that a message of this id began, where it is another one than the message names now. */
  otherPurchase(key: string, request: AuthorizationRequest): AnsweredPurchase | null {
    const known = this.latest.get(key) ?? this.before.get(key);
    return known === undefined || known.processorAuthorizationId === request.processorAuthorizationId ? null : known;
  }
}
