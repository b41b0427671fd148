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
  private readonly purchases = new Map<string, AnsweredPurchase>();

  constructor(
    /** Messages kept; the oldest are let go first. Each takes some 200 bytes. */
    private readonly messagesMax: number,
  ) {}

  /** `key` names the message within its vendor. */
  keep(key: string, purchase: AnsweredPurchase): void {
    this.purchases.set(key, purchase);
    if (this.purchases.size <= this.messagesMax) return;
    for (const oldest of this.purchases.keys()) {
      this.purchases.delete(oldest);
      return;
    }
  }

  /** The purchase that a message of this id began, where it is another one than the message names now. */
  otherPurchase(key: string, request: AuthorizationRequest): AnsweredPurchase | null {
    const known = this.purchases.get(key);
    return known === undefined || known.processorAuthorizationId === request.processorAuthorizationId ? null : known;
  }
}
