/**
 * What an account with one stablecoin at par comes to after any message of the network, in as few words as the rules need.
 * Written against docs/authorization.md, without the product's code, so that the two can disagree.
 *
 * Amounts are bigint: cents, and `tokens` in millionths of a dollar.
 */

const TOKENS_PER_CENT = 10_000n;

export type PurchaseState = 'declined' | 'pending' | 'partially_cleared' | 'cleared' | 'reversed' | 'expired';

/** One part of a hold: the cents it was placed for and the tokens that are held for them. */
interface Hold {
  readonly cents: bigint;
  readonly tokens: bigint;
}

interface Purchase {
  state: PurchaseState;
  approved: bigint;
  cleared: bigint;
  reversed: bigint;
  refunded: bigint;
  holds: readonly Hold[];
  /** The network has said something about it after it asked for it. */
  spokenOf: boolean;
}

interface Account {
  /** Tokens that are the cardholder's, held or not. */
  tokens: bigint;
  /** Cents that the network took and nothing covered. */
  overdue: bigint;
  /** What the limits count: cents and purchases. */
  spent: bigint;
  count: number;
  readonly purchases: Map<number, Purchase>;
  /** Purchases that were taken back or cleared before they were asked for. */
  readonly endedBefore: Set<number>;
}

export interface ModelPolicy {
  /** Added to the hold at a merchant, basis points. */
  readonly allowanceBps: (purchase: number) => bigint;
  readonly bufferBps: bigint;
  /** Cents; null is no limit. */
  readonly limit: bigint | null;
}

export interface Reply {
  readonly outcome: 'approved' | 'partially_approved' | 'declined';
  readonly approved: bigint;
  readonly reason: string | null;
}

/** A message of the network about the purchase `purchase` of one account, or something else that happens to the account. */
export type Happening =
  | { readonly kind: 'authorization'; readonly purchase: number; readonly cents: bigint; readonly partial: boolean }
  | { readonly kind: 'increment'; readonly purchase: number; readonly cents: bigint; readonly basis: 'total' | 'delta' }
  | { readonly kind: 'late'; readonly purchase: number; readonly cents: bigint }
  | { readonly kind: 'inquiry' }
  | { readonly kind: 'advice'; readonly purchase: number; readonly cents: bigint }
  | { readonly kind: 'clearing'; readonly purchase: number; readonly cents: bigint; readonly final: boolean }
  | { readonly kind: 'reversal'; readonly purchase: number; readonly cents: bigint }
  | { readonly kind: 'expiry'; readonly purchase: number; readonly by: 'network' | 'us' }
  | { readonly kind: 'refund'; readonly purchase: number | null; readonly cents: bigint }
  | { readonly kind: 'refund_reversal'; readonly cents: bigint }
  | { readonly kind: 'unheard'; readonly purchase: number }
  | { readonly kind: 'deposit'; readonly tokens: bigint };

/** What can be compared with the product: the account, and each purchase by its number. */
export interface Standing {
  readonly tokens: bigint;
  readonly held: bigint;
  readonly overdue: bigint;
  readonly spent: bigint;
  readonly count: number;
  readonly purchases: Readonly<Record<number, PurchaseStanding>>;
}

export interface PurchaseStanding {
  readonly state: PurchaseState;
  readonly approved: bigint;
  readonly cleared: bigint;
  readonly reversed: bigint;
  readonly refunded: bigint;
  readonly heldCents: bigint;
  readonly heldTokens: bigint;
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);
const most = (a: bigint, b: bigint) => (a > b ? a : b);
const up = (dividend: bigint, divisor: bigint) => (dividend + divisor - 1n) / divisor;
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);
const open = (purchase: Purchase) => purchase.state === 'pending' || purchase.state === 'partially_cleared';

export class ModelSpending {
  private constructor(
    private policy: ModelPolicy,
    private readonly account: Account,
  ) {}

  static start(tokens: bigint, policy: ModelPolicy): ModelSpending {
    return new ModelSpending(policy, {
      tokens,
      overdue: 0n,
      spent: 0n,
      count: 0,
      purchases: new Map(),
      endedBefore: new Set(),
    });
  }

  copy(): ModelSpending {
    const { purchases, endedBefore } = this.account;
    return new ModelSpending(this.policy, {
      ...this.account,
      purchases: new Map([...purchases].map(([number, purchase]) => [number, { ...purchase }])),
      endedBefore: new Set(endedBefore),
    });
  }

  follow(policy: ModelPolicy): void {
    this.policy = policy;
  }

  standing(): Standing {
    const { tokens, overdue, spent, count, purchases } = this.account;
    const standingOf = ({ holds, spokenOf: _unseen, ...purchase }: Purchase): PurchaseStanding => ({
      ...purchase,
      heldCents: sum(holds.map((hold) => hold.cents)),
      heldTokens: sum(holds.map((hold) => hold.tokens)),
    });
    return {
      tokens,
      held: this.held(),
      overdue,
      spent,
      count,
      purchases: Object.fromEntries([...purchases].map(([number, purchase]) => [number, standingOf(purchase)])),
    };
  }

  /** The answer, where the network asked for one. */
  happen(what: Happening): Reply | null {
    switch (what.kind) {
      case 'authorization':
        return this.ask(what.purchase, what.cents, 'delta', what.partial, false);
      case 'increment':
        return this.ask(what.purchase, what.cents, what.basis, false, false);
      case 'late':
        return this.ask(what.purchase, what.cents, 'delta', false, true);
      case 'inquiry':
        return { outcome: 'approved', approved: 0n, reason: null };
      case 'advice':
        return this.advise(what.purchase, what.cents);
      case 'clearing':
        return this.clear(what.purchase, what.cents, what.final);
      case 'reversal':
        return this.reverse(what.purchase, what.cents);
      case 'expiry':
        return this.expire(what.purchase, what.by);
      case 'refund':
        return this.refund(what.purchase, what.cents);
      case 'refund_reversal':
        this.spend(what.cents);
        return null;
      case 'unheard':
        return this.giveUp(what.purchase);
      case 'deposit':
        this.account.tokens += what.tokens;
        return null;
    }
  }

  private ask(number: number, cents: bigint, basis: 'total' | 'delta', partial: boolean, late: boolean): Reply {
    const known = this.account.purchases.get(number);
    if (known === undefined) return this.begin(number, cents, partial, late);
    known.spokenOf = true;
    if (late) return declined('late');
    const total = stillDue(known) + known.cleared;
    const wanted = basis === 'total' ? most(cents, known.cleared) : total + cents;
    const more = wanted - total;
    if (more < 0n) {
      this.takeBack(known, -more);
      return { outcome: 'approved', approved: cents, reason: null };
    }
    const answer = this.decide(number, more, partial);
    if (answer.outcome === 'declined') return answer;
    if (more > 0n || open(known)) this.extend(known, total, answer.approved, this.holdFor(number, answer.approved));
    return basis === 'total' ? { ...answer, approved: total + answer.approved } : answer;
  }

  private begin(number: number, cents: bigint, partial: boolean, late: boolean): Reply {
    let answer = this.decide(number, cents, partial);
    const ended = this.account.endedBefore.has(number) && (answer.approved > 0n || this.wouldBePartial(number, answer));
    if (ended || (late && answer.outcome !== 'declined')) answer = declined('late');
    const declinedNow = answer.outcome === 'declined';
    const hold = declinedNow ? null : this.holdFor(number, answer.approved);
    this.account.purchases.set(number, {
      state: declinedNow ? 'declined' : hold === null ? 'cleared' : 'pending',
      approved: answer.approved,
      cleared: 0n,
      reversed: 0n,
      refunded: 0n,
      holds: hold === null ? [] : [hold],
      spokenOf: false,
    });
    if (hold !== null) this.countPurchase(answer.approved);
    return answer;
  }

  /** Too much was asked for a purchase that had ended, but something could have been had: what is said is that it ended. */
  private wouldBePartial(number: number, answer: Reply): boolean {
    return answer.reason === 'insufficient_funds' && this.largest(number) > 0n;
  }

  private decide(number: number, cents: bigint, partial: boolean): Reply {
    if (this.account.overdue > 0n) return declined('account_overdue');
    if (cents === 0n) return { outcome: 'approved', approved: 0n, reason: null };
    const room = this.room();
    const overLimit = room !== null && cents > room;
    if (overLimit && (!partial || room === 0n)) return declined('amount_limit_exceeded');
    const largest = this.largest(number);
    if (cents <= largest) return { outcome: 'approved', approved: cents, reason: null };
    if (partial && largest > 0n) return { outcome: 'partially_approved', approved: largest, reason: null };
    return declined(overLimit ? 'amount_limit_exceeded' : 'insufficient_funds');
  }

  private room(): bigint | null {
    const { limit } = this.policy;
    return limit === null ? null : most(limit - this.account.spent, 0n);
  }

  /** The most that would be approved at a merchant. */
  private largest(number: number): bigint {
    const fundable = (this.capacity() * 10_000n) / (10_000n + this.policy.allowanceBps(number));
    const room = this.room();
    return room === null ? fundable : least(fundable, room);
  }

  /** Cents that a hold can cover. */
  private capacity(): bigint {
    return (this.free() * 10_000n) / (TOKENS_PER_CENT * (10_000n + this.policy.bufferBps));
  }

  private holdFor(number: number, cents: bigint): Hold | null {
    if (cents === 0n) return null;
    const held = cents + up(cents * this.policy.allowanceBps(number), 10_000n);
    return this.holdOf(held);
  }

  private holdOf(cents: bigint): Hold {
    return { cents, tokens: up(cents * TOKENS_PER_CENT * (10_000n + this.policy.bufferBps), 10_000n) };
  }

  private held(): bigint {
    return sum([...this.account.purchases.values()].flatMap(({ holds }) => holds.map((hold) => hold.tokens)));
  }

  private free(): bigint {
    return this.account.tokens - this.held();
  }

  private countPurchase(cents: bigint): void {
    this.account.spent += cents;
    this.account.count += 1;
  }

  private uncount(cents: bigint, wholly: boolean): void {
    this.account.spent = most(this.account.spent - cents, 0n);
    if (wholly) this.account.count = Math.max(this.account.count - 1, 0);
  }

  /** More may be cleared on a purchase: of one that had ended, as of a new one. */
  private extend(purchase: Purchase, total: bigint, granted: bigint, hold: Hold | null): void {
    const lapsed = open(purchase) ? 0n : most(purchase.approved - purchase.cleared - purchase.reversed, 0n);
    if (granted > 0n) {
      if (open(purchase)) this.account.spent += granted;
      else this.countPurchase(granted);
    }
    purchase.reversed += lapsed;
    purchase.approved = total + purchase.reversed + granted;
    purchase.holds = hold === null ? purchase.holds : [...purchase.holds, hold];
    if (!open(purchase)) purchase.state = purchase.cleared > 0n ? 'partially_cleared' : 'pending';
  }

  private advise(number: number, cents: bigint): null {
    let purchase = this.account.purchases.get(number);
    const begins = purchase === undefined;
    if (purchase === undefined) {
      purchase = { state: 'pending', approved: 0n, cleared: 0n, reversed: 0n, refunded: 0n, holds: [], spokenOf: true };
      this.account.purchases.set(number, purchase);
    }
    purchase.spokenOf = true;
    const total = stillDue(purchase) + purchase.cleared;
    const more = most(cents, purchase.cleared) - total;
    if (more < 0n) this.takeBack(purchase, -more);
    if (more <= 0n) return null;
    const wanted = more + up(more * this.policy.allowanceBps(number), 10_000n);
    const covered = least(wanted, this.capacity());
    this.extend(purchase, total, more, covered === 0n ? null : this.holdOf(covered));
    if (begins) this.account.count += 1;
    return null;
  }

  private clear(number: number, cents: bigint, final: boolean): null {
    const purchase = this.account.purchases.get(number);
    if (purchase === undefined) {
      this.account.endedBefore.add(number);
      this.spend(cents);
      return null;
    }
    purchase.spokenOf = true;
    const wasOpen = open(purchase);
    let left = cents;
    if (wasOpen) {
      purchase.holds = purchase.holds.flatMap((hold) => {
        const taken = least(left, hold.cents);
        const tokens = least(taken * TOKENS_PER_CENT, hold.tokens);
        left -= taken;
        this.account.tokens -= tokens;
        return taken === hold.cents ? [] : [{ cents: hold.cents - taken, tokens: hold.tokens - tokens }];
      });
    }
    const ends = wasOpen && (final || purchase.holds.length === 0);
    if (ends) purchase.holds = [];
    this.spend(left);
    purchase.cleared += cents;
    if (!wasOpen) return null;
    const unspent = purchase.approved - purchase.reversed - purchase.cleared;
    purchase.state = ends ? 'cleared' : 'partially_cleared';
    if (ends && unspent > 0n) this.uncount(unspent, false);
    return null;
  }

  /** Money that is gone without a hold: from what is free, and what that does not cover is overdue. */
  private spend(cents: bigint): void {
    const covered = least(cents, this.free() / TOKENS_PER_CENT);
    this.account.tokens -= covered * TOKENS_PER_CENT;
    this.account.overdue += cents - covered;
  }

  private reverse(number: number, cents: bigint): null {
    const purchase = this.account.purchases.get(number);
    if (purchase === undefined) {
      this.account.endedBefore.add(number);
      return null;
    }
    purchase.spokenOf = true;
    if (open(purchase)) this.takeBack(purchase, cents);
    return null;
  }

  private takeBack(purchase: Purchase, cents: bigint): void {
    const due = stillDue(purchase);
    const reversed = least(cents, due);
    const heldCents = sum(purchase.holds.map((hold) => hold.cents));
    if (reversed === due) purchase.holds = [];
    else purchase.holds = released(purchase.holds, heldCents - up(heldCents * (due - reversed), due));
    purchase.reversed += reversed;
    const whole = reversed === due;
    const wholly = whole && purchase.state === 'pending';
    if (whole) purchase.state = wholly ? 'reversed' : 'cleared';
    this.uncount(reversed, wholly);
  }

  private expire(number: number, by: 'network' | 'us'): null {
    const purchase = this.account.purchases.get(number);
    if (purchase === undefined) return null;
    if (by === 'network') purchase.spokenOf = true;
    if (!open(purchase)) return null;
    const unspent = purchase.approved - purchase.cleared - purchase.reversed;
    const wholly = purchase.state === 'pending';
    purchase.state = wholly ? 'expired' : 'cleared';
    purchase.holds = [];
    if (unspent > 0n) this.uncount(unspent, wholly);
    return null;
  }

  private refund(number: number | null, cents: bigint): null {
    const paid = least(cents, this.account.overdue);
    this.account.overdue -= paid;
    this.account.tokens += (cents - paid) * TOKENS_PER_CENT;
    const purchase = number === null ? undefined : this.account.purchases.get(number);
    if (purchase === undefined) return null;
    purchase.refunded += cents;
    purchase.spokenOf = true;
    return null;
  }

  private giveUp(number: number): null {
    const purchase = this.account.purchases.get(number);
    if (purchase === undefined || purchase.state !== 'pending' || purchase.spokenOf) return null;
    this.takeBack(purchase, purchase.approved);
    return null;
  }
}

/** What may still be cleared of a purchase. */
function stillDue(purchase: Purchase): bigint {
  return open(purchase) ? most(purchase.approved - purchase.cleared - purchase.reversed, 0n) : 0n;
}

/** The last part of a hold goes first. */
function released(holds: readonly Hold[], cents: bigint): readonly Hold[] {
  let rest = cents;
  return [...holds]
    .reverse()
    .flatMap((hold) => {
      const freed = least(rest, hold.cents);
      rest -= freed;
      if (freed === hold.cents) return [];
      return [{ cents: hold.cents - freed, tokens: hold.tokens - (hold.tokens * freed) / hold.cents }];
    })
    .reverse();
}

function declined(reason: string): Reply {
  return { outcome: 'declined', approved: 0n, reason };
}
