/**
 * What an account with two stablecoins at par comes to after any message of the network, in as few words as the rules need.
 * Written against docs/authorization.md, without the product's code, so that the two can disagree.
 *
 * Amounts are bigint: cents, and `tokens` in millionths of a dollar.
 */

/** What an account spends, in this order. */
export const COINS = ['USDC', 'EURC'];

const TOKENS_PER_CENT = 10_000n;

export type PurchaseState = 'declined' | 'pending' | 'partially_cleared' | 'cleared' | 'reversed' | 'expired';

/**
 * What pays for part of a purchase: the cents that are held, the tokens of one coin that are held for them, and the cents that
 * clearings took of it and refunds gave back.
 */
interface Part {
  readonly coin: number;
  readonly order: number;
  cents: bigint;
  tokens: bigint;
  posted: bigint;
  refunded: bigint;
}

interface Purchase {
  state: PurchaseState;
  approved: bigint;
  cleared: bigint;
  reversed: bigint;
  refunded: bigint;
  parts: Part[];
  /** The network has said something about it after it asked for it. */
  spokenOf: boolean;
}

interface Account {
  /** Tokens that are the cardholder's, held or not, by coin. */
  readonly tokens: bigint[];
  /** Cents that the network took and nothing covered. */
  overdue: bigint;
  /** What the limits count: cents and purchases. */
  spent: bigint;
  count: number;
  readonly purchases: Map<number, Purchase>;
  /** Purchases that were taken back or cleared before they were asked for. */
  readonly endedBefore: Set<number>;
  /** Parts of purchases that were cleared before they were known. */
  readonly forced: Map<number, Part[]>;
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
  /** Zero is asked for, to see whether the card is good. */
  | { readonly kind: 'verification' }
  /** A merchant asks whether it may give money back. */
  | { readonly kind: 'refund_authorization'; readonly cents: bigint }
  | { readonly kind: 'advice'; readonly purchase: number; readonly cents: bigint }
  | { readonly kind: 'clearing'; readonly purchase: number; readonly cents: bigint; readonly final: boolean }
  | { readonly kind: 'reversal'; readonly purchase: number; readonly cents: bigint }
  | { readonly kind: 'expiry'; readonly purchase: number; readonly by: 'network' | 'us' }
  | { readonly kind: 'refund'; readonly purchase: number | null; readonly cents: bigint }
  | { readonly kind: 'refund_reversal'; readonly cents: bigint }
  | { readonly kind: 'unheard'; readonly purchase: number }
  | { readonly kind: 'deposit'; readonly coin: number; readonly tokens: bigint };

/** What can be compared with the product: the account, and each purchase by its number. */
export interface Standing {
  readonly tokens: readonly bigint[];
  readonly held: readonly bigint[];
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

  static start(tokens: readonly bigint[], policy: ModelPolicy): ModelSpending {
    return new ModelSpending(policy, {
      tokens: [...tokens],
      overdue: 0n,
      spent: 0n,
      count: 0,
      purchases: new Map(),
      endedBefore: new Set(),
      forced: new Map(),
    });
  }

  copy(): ModelSpending {
    return new ModelSpending(this.policy, structuredClone(this.account));
  }

  follow(policy: ModelPolicy): void {
    this.policy = policy;
  }

  standing(): Standing {
    const { tokens, overdue, spent, count, purchases } = this.account;
    const standingOf = ({ parts, spokenOf: _unseen, ...purchase }: Purchase): PurchaseStanding => ({
      ...purchase,
      heldCents: sum(parts.map((part) => part.cents)),
      heldTokens: sum(parts.map((part) => part.tokens)),
    });
    return {
      tokens,
      held: tokens.map((_tokens, coin) => this.held(coin)),
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
      case 'verification':
        return this.account.overdue > 0n
          ? declined('account_overdue')
          : { outcome: 'approved', approved: 0n, reason: null };
      case 'refund_authorization':
        return { outcome: 'approved', approved: what.cents, reason: null };
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
        this.spend(what.cents, []);
        return null;
      case 'unheard':
        return this.giveUp(what.purchase);
      case 'deposit':
        this.account.tokens[what.coin] = this.all(what.coin) + what.tokens;
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
    if (more > 0n || open(known)) this.extend(known, total, answer.approved, this.wantedHold(number, answer.approved));
    return basis === 'total' ? { ...answer, approved: total + answer.approved } : answer;
  }

  private begin(number: number, cents: bigint, partial: boolean, late: boolean): Reply {
    let answer = this.decide(number, cents, partial);
    const ended = this.account.endedBefore.has(number) && (answer.approved > 0n || this.wouldBePartial(number, answer));
    if (ended || (late && answer.outcome !== 'declined')) answer = declined('late');
    const declinedNow = answer.outcome === 'declined';
    const holds = answer.approved > 0n;
    const purchase: Purchase = {
      state: declinedNow ? 'declined' : holds ? 'pending' : 'cleared',
      approved: answer.approved,
      cleared: 0n,
      reversed: 0n,
      refunded: 0n,
      parts: [],
      spokenOf: false,
    };
    if (holds) this.hold(purchase, this.wantedHold(number, answer.approved));
    this.account.purchases.set(number, purchase);
    if (holds) this.countPurchase(answer.approved);
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
    return sum(this.account.tokens.map((_tokens, coin) => this.reach(coin, this.policy.bufferBps)));
  }

  /** Cents that the free tokens of a coin cover with a buffer on top. */
  private reach(coin: number, bufferBps: bigint): bigint {
    return (this.free(coin) * 10_000n) / (TOKENS_PER_CENT * (10_000n + bufferBps));
  }

  /** Cents to hold for a purchase. */
  private wantedHold(number: number, cents: bigint): bigint {
    return cents + up(cents * this.policy.allowanceBps(number), 10_000n);
  }

  /** Holds as much of `cents` as the coins reach, one after the other, as parts behind those there are. */
  private hold(purchase: Purchase, cents: bigint): void {
    let left = cents;
    const placed: Part[] = [];
    let order = orderBehind(purchase.parts);
    for (const coin of this.account.tokens.keys()) {
      const taken = least(left, this.reach(coin, this.policy.bufferBps));
      if (taken === 0n) continue;
      left -= taken;
      const tokens = up(taken * TOKENS_PER_CENT * (10_000n + this.policy.bufferBps), 10_000n);
      placed.push({ coin, order, cents: taken, tokens, posted: 0n, refunded: 0n });
      order += 1;
    }
    purchase.parts.push(...placed);
  }

  private held(coin: number): bigint {
    const parts = [...this.account.purchases.values()].flatMap((purchase) => purchase.parts);
    return sum(parts.filter((part) => part.coin === coin).map((part) => part.tokens));
  }

  private all(coin: number): bigint {
    return this.account.tokens[coin] ?? 0n;
  }

  private free(coin: number): bigint {
    return this.all(coin) - this.held(coin);
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
  private extend(purchase: Purchase, total: bigint, granted: bigint, wantedHold: bigint): void {
    const lapsed = open(purchase) ? 0n : most(purchase.approved - purchase.cleared - purchase.reversed, 0n);
    if (granted > 0n) {
      if (open(purchase)) this.account.spent += granted;
      else this.countPurchase(granted);
    }
    purchase.reversed += lapsed;
    purchase.approved = total + purchase.reversed + granted;
    this.hold(purchase, wantedHold);
    if (!open(purchase)) purchase.state = purchase.cleared > 0n ? 'partially_cleared' : 'pending';
  }

  private advise(number: number, cents: bigint): null {
    let purchase = this.account.purchases.get(number);
    const begins = purchase === undefined;
    if (purchase === undefined) {
      purchase = { state: 'pending', approved: 0n, cleared: 0n, reversed: 0n, refunded: 0n, parts: [], spokenOf: true };
      this.account.purchases.set(number, purchase);
    }
    purchase.spokenOf = true;
    const total = stillDue(purchase) + purchase.cleared;
    const more = most(cents, purchase.cleared) - total;
    if (more < 0n) this.takeBack(purchase, -more);
    if (more <= 0n) return null;
    this.extend(purchase, total, more, this.wantedHold(number, more));
    if (begins) this.account.count += 1;
    return null;
  }

  private clear(number: number, cents: bigint, final: boolean): null {
    const purchase = this.account.purchases.get(number);
    if (purchase === undefined) {
      this.account.endedBefore.add(number);
      const forced = this.account.forced.get(number) ?? [];
      this.spend(cents, forced, 0);
      this.account.forced.set(number, forced);
      return null;
    }
    purchase.spokenOf = true;
    const wasOpen = open(purchase);
    let left = cents;
    for (const part of wasOpen ? purchase.parts : []) {
      const taken = least(left, part.cents);
      if (taken === 0n) continue;
      left -= taken;
      this.account.tokens[part.coin] = this.all(part.coin) - taken * TOKENS_PER_CENT;
      part.posted += taken;
      part.cents -= taken;
      part.tokens = part.cents === 0n ? 0n : part.tokens - taken * TOKENS_PER_CENT;
    }
    const ends = wasOpen && (final || sum(purchase.parts.map((part) => part.cents)) === 0n);
    if (ends) release(purchase.parts);
    this.spend(left, purchase.parts);
    purchase.cleared += cents;
    if (!wasOpen) return null;
    const unspent = purchase.approved - purchase.reversed - purchase.cleared;
    purchase.state = ends ? 'cleared' : 'partially_cleared';
    if (ends && unspent > 0n) this.uncount(unspent, false);
    return null;
  }

  /** Money that is gone without a hold: from what is free, coin by coin, and what that does not cover is overdue. */
  private spend(cents: bigint, parts: Part[], from = orderBehind(parts)): void {
    let left = cents;
    let order = from;
    for (const coin of this.account.tokens.keys()) {
      const taken = least(left, this.reach(coin, 0n));
      if (taken === 0n) continue;
      left -= taken;
      this.account.tokens[coin] = this.all(coin) - taken * TOKENS_PER_CENT;
      parts.push({ coin, order, cents: 0n, tokens: 0n, posted: taken, refunded: 0n });
      order += 1;
    }
    this.account.overdue += left;
    // What is overdue is a part of its own, which only keeps its place.
    if (left > 0n) parts.push({ coin: 0, order, cents: 0n, tokens: 0n, posted: 0n, refunded: 0n });
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
    const heldCents = sum(purchase.parts.map((part) => part.cents));
    if (reversed === due) release(purchase.parts);
    else releaseFromBehind(purchase.parts, heldCents - up(heldCents * (due - reversed), due));
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
    release(purchase.parts);
    if (unspent > 0n) this.uncount(unspent, wholly);
    return null;
  }

  /** What is overdue first, then the parts of the purchase from the last to the first, then the first coin. */
  private refund(number: number | null, cents: bigint): null {
    const paid = least(cents, this.account.overdue);
    this.account.overdue -= paid;
    let left = cents - paid;
    const purchase = number === null ? undefined : this.account.purchases.get(number);
    const forced = number === null ? [] : (this.account.forced.get(number) ?? []);
    const inOrder = [...forced, ...(purchase?.parts ?? [])].sort((a, b) => a.order - b.order);
    for (const part of inOrder.reverse()) {
      const given = least(left, part.posted - part.refunded);
      part.refunded += given;
      left -= given;
      this.account.tokens[part.coin] = this.all(part.coin) + given * TOKENS_PER_CENT;
    }
    this.account.tokens[0] = this.all(0) + left * TOKENS_PER_CENT;
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

/** Place behind all parts of a purchase. */
function orderBehind(parts: readonly Part[]): number {
  return parts.reduce((behind, part) => Math.max(behind, part.order + 1), 0);
}

/** Nothing of a purchase is held any more. */
function release(parts: readonly Part[]): void {
  for (const part of parts) {
    part.cents = 0n;
    part.tokens = 0n;
  }
}

/** The last part of a hold goes first. */
function releaseFromBehind(parts: readonly Part[], cents: bigint): void {
  let left = cents;
  for (const part of [...parts].reverse()) {
    const freed = least(left, part.cents);
    if (freed === 0n) continue;
    left -= freed;
    part.tokens = freed === part.cents ? 0n : part.tokens - (part.tokens * freed) / part.cents;
    part.cents -= freed;
  }
}

function declined(reason: string): Reply {
  return { outcome: 'declined', approved: 0n, reason };
}
