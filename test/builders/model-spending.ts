/**
 * What an account comes to after any message of the network, in as few words as the rules need: two stablecoins, a loan against
 * collateral, prices, fees, limits. Written against docs/authorization.md, without the product's code, so that the two can
 * disagree.
 *
 * Amounts are bigint: cents, millionths of a coin (`tokens`), and 10^-8 USD (`E8`).
 */

/** What a program sells; loans are of the first. */
export const COINS = ['USDC', 'EURC'];

/** Cents up to which a pump only asks whether the card is good, and cents that are held for it then. */
export const STATUS_CHECK = { upTo: 100n, hold: 17_500n };

const E8 = 100_000_000n;
/** A cent's worth of a coin of one dollar is 10^4 tokens; of one whose price has 8 decimals, this over the price. */
const TOKENS_E8_PER_CENT = 10_000n * E8;
const BPS = 10_000n;
const WEI = 10n ** 18n;

export type PurchaseState = 'declined' | 'pending' | 'partially_cleared' | 'cleared' | 'reversed' | 'expired';

/** Where money comes from: a coin by its number, or the loan. */
export type Source = number | 'loan';

/** What all purchases of one number have in common. */
export interface Shop {
  /** Added to the hold, basis points. */
  readonly allowanceBps: bigint;
  /** A pump: what asks for at most a dollar may come to much more, and holds as much. */
  readonly pump: boolean;
  /** Sells in another currency than the card's. */
  readonly foreign: boolean;
  /** All of it is cash from a machine, half of it cash at the till, or none. */
  readonly cash: 'machine' | 'till' | 'none';
}

export interface Fees {
  readonly foreignBps: bigint;
  readonly cashFixed: bigint;
  readonly cashBps: bigint;
  /** Cash at the till is charged like cash from a machine. */
  readonly till: boolean;
}

export interface ModelPolicy {
  readonly sources: readonly Source[];
  readonly shops: readonly Shop[];
  readonly fees: Fees;
  readonly bufferBps: bigint;
  readonly ltvBps: bigint;
  /** Purchases are sold and lent for right after their approval, with the next look at them. */
  readonly atOnce: boolean;
  /** Cents a day; null is no limit. */
  readonly limit: bigint | null;
}

/** Prices in 10^-8 USD: of each coin, and of a whole unit of the collateral, which has 18 decimals. */
export interface Market {
  readonly coins: readonly bigint[];
  readonly collateral: bigint;
}

/**
 * What pays for part of a purchase: the cents that are held, the tokens that are held for them, and the cents and tokens that
 * clearings took of it and refunds gave back. An overdue part has none and only keeps its place.
 */
interface Part {
  readonly source: Source;
  readonly order: number;
  cents: bigint;
  tokens: bigint;
  posted: bigint;
  postedTokens: bigint;
  /** Taken before any clearing, and set aside. */
  setAside: boolean;
}

/** What a purchase has cost: what was cleared, what refunds leave of it, and the fees that stand. */
interface Costs {
  cleared: bigint;
  left: bigint;
  fees: bigint;
  /** Refunds that stand, oldest first; one that came before the purchase was known is not counted on it. */
  refunds: { readonly amount: bigint; readonly counted: boolean }[];
}

interface Purchase {
  state: PurchaseState;
  approved: bigint;
  cleared: bigint;
  reversed: bigint;
  refunded: bigint;
  /** Cents that the limits count of it. */
  counted: bigint;
  /** Cents of it that were cleared when it was last counted as a purchase: it began then, or had ended and was opened again. */
  clearedBefore: bigint;
  /** Cents that were taken before any clearing and are not cleared yet. */
  reserved: bigint;
  parts: Part[];
  /** Cents that the first message said were cash at the till. */
  readonly tillCash: bigint;
  /** The network has said something about it after it asked for it. */
  spokenOf: boolean;
  /** The network has told that something of it was given back, that it ran out, or that it was cleared for the last time. */
  told: boolean;
  /** The days that we hold it for have passed. */
  ranOut: boolean;
}

interface Account {
  /** Tokens that are the cardholder's, held or not, by coin. */
  readonly tokens: bigint[];
  /** Base units of what is pledged. */
  readonly pledged: bigint;
  /** Tokens that are lent for what was cleared. */
  lent: bigint;
  /** Cents that the network took and nothing covered. */
  overdue: bigint;
  /** Cents that the network is owed, and fees that were charged. */
  owed: bigint;
  fees: bigint;
  /** What the limits count: cents and purchases. */
  spent: bigint;
  count: number;
  readonly purchases: Map<number, Purchase>;
  readonly costs: Map<number, Costs>;
  /** Purchases that were taken back or cleared before they were asked for. */
  readonly endedBefore: Set<number>;
  /** Purchases that were cleared before they were known: the limits count them since. */
  readonly clearedBefore: Set<number>;
  /** Cents of purchases that were cleared before they were known, and are no part of them yet. */
  readonly unlinked: Map<number, bigint>;
  /** Parts of purchases that were cleared before they were known. */
  readonly forced: Map<number, Part[]>;
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
  | { readonly kind: 'refund_reversal'; readonly purchase: number | null; readonly cents: bigint }
  | { readonly kind: 'unheard'; readonly purchase: number }
  /** Its workflow looks at a purchase. */
  | { readonly kind: 'look'; readonly purchase: number }
  | { readonly kind: 'deposit'; readonly coin: number; readonly tokens: bigint };

/** What can be compared with the product: the account, and each purchase by its number. */
export interface Standing {
  readonly tokens: readonly bigint[];
  readonly held: readonly bigint[];
  /** Of the loan: tokens that are held, and that are lent. */
  readonly loanHeld: bigint;
  readonly lent: bigint;
  readonly overdue: bigint;
  readonly spent: bigint;
  readonly count: number;
  readonly purchases: Readonly<Record<number, PurchaseStanding>>;
}

/** Cents. */
export interface Earned {
  readonly owed: bigint;
  readonly reserved: bigint;
  readonly fees: bigint;
}

export interface PurchaseStanding {
  readonly state: PurchaseState;
  readonly approved: bigint;
  readonly cleared: bigint;
  readonly reversed: bigint;
  readonly refunded: bigint;
  readonly reserved: bigint;
  readonly heldCents: bigint;
  readonly heldTokens: bigint;
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);
const most = (a: bigint, b: bigint) => (a > b ? a : b);
const up = (dividend: bigint, divisor: bigint) => (dividend + divisor - 1n) / divisor;
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);
const open = (purchase: Purchase) => purchase.state === 'pending' || purchase.state === 'partially_cleared';

/** A message that wants an answer. */
interface Asked {
  readonly cents: bigint;
  readonly basis: 'total' | 'delta';
  readonly partial: boolean;
  readonly tillCash: bigint;
  /** Its time for an answer is over. */
  readonly late: boolean;
}

/** What a message says of a purchase beside its amount, as far as its fee depends on it. */
interface Told {
  /** The purchase is under way, so that the fixed part of its fee was charged. */
  readonly continues: boolean;
  /** Cents that are cash at the till. */
  readonly tillCash: bigint;
}

export class ModelSpending {
  private constructor(
    private policy: ModelPolicy,
    private market: Market,
    private readonly account: Account,
  ) {}

  static start(
    owns: { readonly tokens: readonly bigint[]; readonly pledged: bigint },
    policy: ModelPolicy,
    market: Market,
  ): ModelSpending {
    return new ModelSpending(policy, market, {
      tokens: [...owns.tokens],
      pledged: owns.pledged,
      lent: 0n,
      overdue: 0n,
      owed: 0n,
      fees: 0n,
      spent: 0n,
      count: 0,
      purchases: new Map(),
      costs: new Map(),
      endedBefore: new Set(),
      clearedBefore: new Set(),
      unlinked: new Map(),
      forced: new Map(),
    });
  }

  copy(): ModelSpending {
    return new ModelSpending(this.policy, this.market, structuredClone(this.account));
  }

  follow(policy: ModelPolicy): void {
    this.policy = policy;
  }

  priced(market: Market): void {
    this.market = market;
  }

  /** Cents that the network is owed for this account, what is set aside for it, and the fees that were charged. */
  earned(): Earned {
    const { owed, fees, purchases } = this.account;
    return { owed, fees, reserved: sum([...purchases.values()].map((purchase) => purchase.reserved)) };
  }

  standing(): Standing {
    const { tokens, lent, overdue, spent, count, purchases } = this.account;
    const standingOf = (purchase: Purchase): PurchaseStanding => ({
      state: purchase.state,
      approved: purchase.approved,
      cleared: purchase.cleared,
      reversed: purchase.reversed,
      refunded: purchase.refunded,
      reserved: purchase.reserved,
      heldCents: sum(purchase.parts.map((part) => part.cents)),
      heldTokens: sum(purchase.parts.map((part) => part.tokens)),
    });
    return {
      tokens,
      held: tokens.map((_tokens, coin) => this.held(coin)),
      loanHeld: this.held('loan'),
      lent,
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
        return this.ask(what.purchase, { ...what, basis: 'delta', tillCash: this.tillCash(what), late: false });
      case 'increment':
        return this.ask(what.purchase, { ...what, partial: false, tillCash: 0n, late: false });
      case 'late':
        return this.ask(what.purchase, {
          ...what,
          basis: 'delta',
          partial: false,
          tillCash: this.tillCash(what),
          late: true,
        });
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
        return this.takeRefundBack(what.purchase, what.cents);
      case 'unheard':
        return this.giveUp(what.purchase);
      case 'look':
        return this.look(what.purchase);
      case 'deposit':
        this.give(what.coin, what.tokens);
        return null;
    }
  }

  private ask(number: number, asked: Asked): Reply {
    const { cents, basis, partial, tillCash, late } = asked;
    const known = this.account.purchases.get(number);
    if (known === undefined) return this.begin(number, asked);
    known.spokenOf = true;
    if (late) return declined('late');
    const total = stillDue(known) + known.cleared;
    const wanted = basis === 'total' ? most(cents, known.cleared) : total + cents;
    const more = wanted - total;
    if (more < 0n) {
      this.takeBack(known, number, -more);
      return { outcome: 'approved', approved: cents, reason: null };
    }
    if (more > 0n && over(known)) return declined('purchase_ended');
    const told = { continues: open(known), tillCash };
    const answer = this.decide(number, more, partial, told);
    if (answer.outcome === 'declined') return answer;
    if (more > 0n || open(known)) this.extend(known, number, { total, granted: answer.approved, told });
    return basis === 'total' ? { ...answer, approved: total + answer.approved } : answer;
  }

  private begin(number: number, { cents, partial, tillCash, late }: Asked): Reply {
    const told = { continues: false, tillCash };
    let answer = this.decide(number, cents, partial, told);
    const couldBePartial = answer.reason === 'insufficient_funds' && this.largest(number, told) > 0n;
    const ended = this.account.endedBefore.has(number) && (answer.approved > 0n || couldBePartial);
    if (ended || (late && answer.outcome !== 'declined')) answer = declined('late');
    const holds = answer.approved > 0n;
    const state = answer.outcome === 'declined' ? 'declined' : holds ? 'pending' : 'cleared';
    const purchase = newPurchase(state, answer.approved, tillCash);
    if (holds) this.place(purchase, number, answer.approved, told);
    this.account.purchases.set(number, purchase);
    if (holds) this.countPurchase(answer.approved, purchase);
    return answer;
  }

  private decide(number: number, cents: bigint, partial: boolean, told: Told): Reply {
    if (this.account.overdue > 0n) return declined('account_overdue');
    if (cents === 0n) return { outcome: 'approved', approved: 0n, reason: null };
    const room = this.room();
    const overLimit = room !== null && cents > room;
    if (overLimit && (!partial || room === 0n)) return declined('amount_limit_exceeded');
    const largest = this.largest(number, told);
    if (cents <= largest && this.hold(number, cents, told) <= this.capacity())
      return { outcome: 'approved', approved: cents, reason: null };
    if (partial && largest > 0n && largest < cents)
      return { outcome: 'partially_approved', approved: largest, reason: null };
    return declined(overLimit ? 'amount_limit_exceeded' : 'insufficient_funds');
  }

  private room(): bigint | null {
    const { limit } = this.policy;
    return limit === null ? null : most(limit - this.account.spent, 0n);
  }

  /** Cents that a hold can cover. */
  private capacity(): bigint {
    return sum(this.policy.sources.map((source) => this.reach(source, this.policy.bufferBps)));
  }

  /** The most that would be approved at a merchant: sought, because its hold only grows with it, but for status checks. */
  private largest(number: number, told: Told): bigint {
    const capacity = this.capacity();
    let [fits, tooMuch] = [0n, capacity + 1n];
    while (tooMuch - fits > 1n) {
      const middle = (fits + tooMuch) / 2n;
      const worst = this.usual(number, middle);
      if (worst + this.fee(number, worst, told) <= capacity) fits = middle;
      else tooMuch = middle;
    }
    const room = this.room();
    const largest = room === null ? fits : least(fits, room);
    return this.hold(number, largest, told) <= capacity ? largest : 0n;
  }

  private shop(number: number): Shop {
    const shop = this.policy.shops[number];
    if (shop === undefined) throw new Error(`no shop for purchase ${number}`);
    return shop;
  }

  /** Half of what is asked for. */
  private tillCash({ purchase, cents }: { readonly purchase: number; readonly cents: bigint }): bigint {
    return this.shop(purchase).cash === 'till' ? cents / 2n : 0n;
  }

  /** Cents to hold for a purchase: the worst case of what it may come to, with its fee. */
  private hold(number: number, cents: bigint, told: Told): bigint {
    const worst = this.worst(number, cents, told);
    return worst + this.fee(number, worst, told);
  }

  private worst(number: number, cents: bigint, { continues }: Pick<Told, 'continues'>): bigint {
    const usual = this.usual(number, cents);
    return this.isStatusCheck(number, cents) && !continues ? most(usual, STATUS_CHECK.hold) : usual;
  }

  private usual(number: number, cents: bigint): bigint {
    return cents + up(cents * this.shop(number).allowanceBps, BPS);
  }

  private isStatusCheck(number: number, cents: bigint): boolean {
    return this.shop(number).pump && cents > 0n && cents <= STATUS_CHECK.upTo;
  }

  private fee(number: number, cents: bigint, told: Told): bigint {
    const { fees } = this.policy;
    const { cash, foreign } = this.shop(number);
    const fixed = told.continues ? 0n : fees.cashFixed;
    const abroad = foreign ? fees.foreignBps : 0n;
    if (cents === 0n) return 0n;
    // On top of a purchase it is rounded up, so that the holds of parts carry the fee on their sum.
    const shareOf = (bps: bigint) => (cents * bps + (told.continues ? BPS - 1n : 0n)) / BPS;
    if (cash === 'machine') return fixed + shareOf(abroad + fees.cashBps);
    const till = fees.till && told.tillCash > 0n ? fixed + (told.tillCash * fees.cashBps) / BPS : 0n;
    return till + shareOf(abroad);
  }

  private price(coin: number): bigint {
    const price = this.market.coins[coin];
    if (price === undefined) throw new Error(`no price of coin ${coin}`);
    return price;
  }

  /** Loans are of the first coin. */
  private priceOf(source: Source): bigint {
    return this.price(source === 'loan' ? 0 : source);
  }

  /** Tokens that cover cents, with a buffer on top. */
  private tokensFor(source: Source, cents: bigint, bufferBps: bigint): bigint {
    return up(cents * TOKENS_E8_PER_CENT * (BPS + bufferBps), this.priceOf(source) * BPS);
  }

  /** Cents that what is left of a source covers with a buffer on top. */
  private reach(source: Source, bufferBps: bigint): bigint {
    const tokens = source === 'loan' ? this.lendable() : this.free(source);
    return (tokens * this.priceOf(source) * BPS) / (TOKENS_E8_PER_CENT * (BPS + bufferBps));
  }

  /** Tokens that the collateral still carries: what is held or lent counts as debt, and a dollar never counts as less. */
  private lendable(): bigint {
    const { pledged, lent } = this.account;
    const limit = (((pledged * this.market.collateral) / WEI) * this.policy.ltvBps) / BPS;
    const price = most(this.price(0), E8);
    const debt = up((lent + this.held('loan')) * price, 1_000_000n);
    return (most(limit - debt, 0n) * 1_000_000n) / price;
  }

  /** Holds as much for `cents` as the sources reach, one after the other, as parts behind those there are. */
  private place(purchase: Purchase, number: number, cents: bigint, told: Told): void {
    const { sources, bufferBps } = this.policy;
    let left = this.hold(number, cents, told);
    let order = orderBehind(purchase.parts);
    for (const source of sources) {
      const taken = least(left, this.reach(source, bufferBps));
      if (taken === 0n) continue;
      left -= taken;
      purchase.parts.push({
        ...newPart(source, order),
        cents: taken,
        tokens: this.tokensFor(source, taken, bufferBps),
      });
      order += 1;
    }
  }

  private held(source: Source): bigint {
    const parts = [...this.account.purchases.values()].flatMap((purchase) => purchase.parts);
    return sum(parts.filter((part) => part.source === source).map((part) => part.tokens));
  }

  private free(coin: number): bigint {
    return (this.account.tokens[coin] ?? 0n) - this.held(coin);
  }

  /** Tokens to the cardholder, or (negative) from. */
  private give(coin: number, tokens: bigint): void {
    this.account.tokens[coin] = (this.account.tokens[coin] ?? 0n) + tokens;
  }

  private countPurchase(cents: bigint, purchase?: Purchase): void {
    this.account.count += 1;
    this.countMore(cents, purchase);
  }

  private countMore(cents: bigint, purchase?: Purchase): void {
    this.account.spent += cents;
    if (purchase !== undefined) purchase.counted += cents;
  }

  private uncount(purchase: Purchase, cents: bigint, wholly: boolean): void {
    this.account.spent -= cents;
    purchase.counted -= cents;
    if (wholly) this.account.count -= 1;
  }

  /** More may be cleared on a purchase: of one that had ended, as of a new one. */
  private extend(
    purchase: Purchase,
    number: number,
    more: {
      readonly total: bigint;
      readonly granted: bigint;
      readonly told: Told;
      readonly held?: boolean;
      /** As a purchase, by the limits. */
      readonly isCounted?: boolean;
    },
  ): void {
    const { total, granted, told, isCounted = false } = more;
    purchase.ranOut = false;
    const lapsed = open(purchase) ? 0n : most(purchase.approved - purchase.cleared - purchase.reversed, 0n);
    if (granted > 0n) {
      if (open(purchase) || isCounted) this.countMore(granted, purchase);
      else this.countPurchase(granted, purchase);
      if (!open(purchase) && !isCounted) purchase.clearedBefore = purchase.cleared;
    }
    purchase.reversed += lapsed;
    purchase.approved = total + purchase.reversed + granted;
    if (more.held !== true) this.place(purchase, number, granted, told);
    if (!open(purchase)) purchase.state = purchase.cleared > 0n ? 'partially_cleared' : 'pending';
  }

  private advise(number: number, cents: bigint): null {
    let purchase = this.account.purchases.get(number);
    const begins = purchase === undefined;
    const unlinked = this.account.unlinked.get(number) ?? 0n;
    if (purchase === undefined) {
      if (cents <= unlinked) return null;
      purchase = newPurchase('pending', 0n, 0n);
      this.account.purchases.set(number, purchase);
    }
    purchase.spokenOf = true;
    // What was cleared before the purchase was known is in the total that is told.
    this.account.unlinked.delete(number);
    purchase.cleared += unlinked;
    purchase.counted += unlinked;
    if (open(purchase) && unlinked > 0n) {
      purchase.approved += unlinked;
      // It was counted for itself, and nothing is cleared of what was opened since. One that begins now is not one more.
      if (!begins) purchase.clearedBefore += unlinked;
      purchase.state = 'partially_cleared';
    }
    const total = stillDue(purchase) + purchase.cleared;
    const more = most(cents, purchase.cleared) - total;
    const told = { continues: open(purchase) && !begins, tillCash: 0n };
    const holdFor = told.continues ? this.holdOfTold(purchase, number, { total, more }) : null;
    if (more < 0n) this.takeBack(purchase, number, -more, holdFor);
    else {
      const held = holdFor !== null && heldOf(purchase) >= holdFor;
      const isCounted = (begins || purchase.state === 'declined') && purchase.counted > 0n;
      if (more > 0n) this.extend(purchase, number, { total, granted: more, told, held, isCounted });
      if (begins && !isCounted) this.account.count += 1;
      if (holdFor !== null) releaseFromBehind(purchase.parts, most(heldOf(purchase) - holdFor, 0n));
    }
    return null;
  }

  /** A pump tells what was filled: that is what is held then, however much was for its dollar. */
  private holdOfTold(
    purchase: Purchase,
    number: number,
    { total, more }: { readonly total: bigint; readonly more: bigint },
  ): bigint | null {
    if (purchase.cleared > 0n || !this.isStatusCheck(number, total)) return null;
    const usual = this.usual(number, total + more);
    return usual + this.fee(number, usual, { continues: false, tillCash: purchase.tillCash });
  }

  private clear(number: number, cents: bigint, final: boolean): null {
    const purchase = this.account.purchases.get(number);
    this.costsOf(number).cleared += cents;
    const fee = this.charge(number, cents);
    if (purchase === undefined) {
      this.account.endedBefore.add(number);
      const forced = this.forcedParts(number);
      this.spend(cents + fee, forced, 0);
      if (this.account.clearedBefore.has(number)) this.countMore(cents);
      else this.countPurchase(cents);
      this.account.clearedBefore.add(number);
      this.account.unlinked.set(number, (this.account.unlinked.get(number) ?? 0n) + cents);
      return null;
    }
    purchase.spokenOf = true;
    if (final) purchase.told = true;
    const wasOpen = open(purchase);
    const fromReserve = least(cents + fee, purchase.reserved);
    purchase.reserved -= fromReserve;
    let left = cents + fee - fromReserve;
    for (const part of wasOpen ? purchase.parts : []) left -= this.consume(part, left);
    const kept = sum(purchase.parts.map((part) => part.cents)) + purchase.reserved;
    const ends = wasOpen && (final || kept === 0n);
    if (ends) release(purchase.parts);
    this.spend(left, purchase.parts);
    purchase.cleared += cents;
    const notCounted = purchase.cleared - purchase.counted;
    if (notCounted > 0n) {
      // What nothing is counted of any more counts as a purchase again.
      if (purchase.counted > 0n || this.account.clearedBefore.has(number)) this.countMore(notCounted, purchase);
      else this.countPurchase(notCounted, purchase);
    }
    if (!wasOpen) return null;
    purchase.state = ends ? 'cleared' : 'partially_cleared';
    if (ends) this.returnReserve(purchase, purchase.reserved);
    if (ends) this.uncount(purchase, purchase.counted - purchase.cleared, nothingCleared(purchase));
    return null;
  }

  /** Takes up to `cents` of what a part holds, as far as its tokens reach at today's price, a cent begun for a whole one. */
  private consume(part: Part, cents: bigint): bigint {
    if (part.tokens === 0n) return 0n;
    const worth = up(part.tokens * this.priceOf(part.source), TOKENS_E8_PER_CENT);
    const taken = least(cents, least(part.cents, worth));
    if (taken === 0n) return 0n;
    const tokens = least(this.tokensFor(part.source, taken, 0n), part.tokens);
    part.cents -= taken;
    part.tokens = part.cents === 0n ? 0n : part.tokens - tokens;
    // What fell short of the cents it was held for holds nothing any more.
    if (part.tokens === 0n) part.cents = 0n;
    this.post(part, taken, tokens);
    return taken;
  }

  private post(part: Part, cents: bigint, tokens: bigint): void {
    part.posted += cents;
    part.postedTokens += tokens;
    if (part.source === 'loan') this.account.lent += tokens;
    else this.give(part.source, -tokens);
  }

  private costsOf(number: number): Costs {
    const known = this.account.costs.get(number);
    if (known !== undefined) return known;
    const costs = { cleared: 0n, left: 0n, fees: 0n, refunds: [] };
    this.account.costs.set(number, costs);
    return costs;
  }

  private forcedParts(number: number): Part[] {
    const forced = this.account.forced.get(number) ?? [];
    this.account.forced.set(number, forced);
    return forced;
  }

  /** The fee on all that is cleared, once, for as long as refunds leave anything of it. */
  private feeDue(number: number): bigint {
    const { cleared, left } = this.costsOf(number);
    const tillCash = this.account.purchases.get(number)?.tillCash ?? 0n;
    return left > 0n ? this.fee(number, cleared, { continues: false, tillCash }) : 0n;
  }

  /** The network spends `cents` for a purchase: with them comes what is due and was not charged. */
  private charge(number: number, cents: bigint): bigint {
    const costs = this.costsOf(number);
    costs.left += cents;
    const fee = most(this.feeDue(number) - costs.fees, 0n);
    costs.fees += fee;
    this.account.owed += cents;
    this.account.fees += fee;
    return fee;
  }

  /** Money that is gone without a hold: from what is free, source by source, and what that does not cover is overdue. */
  private spend(cents: bigint, parts: Part[], from = orderBehind(parts)): void {
    let left = cents;
    let order = from;
    const reached = this.policy.sources.map((source) => [source, this.reach(source, 0n)] as const);
    for (const [source, reach] of reached) {
      const taken = least(left, reach);
      if (taken === 0n) continue;
      left -= taken;
      const part = newPart(source, order);
      this.post(part, taken, this.tokensFor(source, taken, 0n));
      parts.push(part);
      order += 1;
    }
    this.account.overdue += left;
    if (left > 0n) parts.push(newPart(0, order));
  }

  private reverse(number: number, cents: bigint): null {
    const purchase = this.account.purchases.get(number);
    if (purchase === undefined) {
      this.account.endedBefore.add(number);
      return null;
    }
    purchase.spokenOf = true;
    purchase.told = true;
    if (open(purchase)) this.takeBack(purchase, number, cents);
    return null;
  }

  /** Cents to keep of a hold for `left` of what is `due`: its part of what is held beside the fee, and the fee of that. */
  private keptFor(
    number: number,
    { tillCash }: Purchase,
    kept: bigint,
    [left, due]: readonly [bigint, bigint],
  ): bigint {
    const { cleared, fees } = this.costsOf(number);
    const toCome = (cents: bigint) =>
      most(this.fee(number, cleared + cents, { continues: false, tillCash }) - fees, 0n);
    let [fits, tooMuch] = [0n, kept + 1n];
    while (tooMuch - fits > 1n) {
      const middle = (fits + tooMuch) / 2n;
      if (middle + toCome(middle) <= kept) fits = middle;
      else tooMuch = middle;
    }
    // What was never covered goes first.
    if (fits === 0n) return kept;
    const rest = least(fits, most(up(fits * left, due), left));
    return least(rest + toCome(rest), kept);
  }

  private takeBack(purchase: Purchase, number: number, cents: bigint, holdFor: bigint | null = null): void {
    const due = stillDue(purchase);
    const reversed = least(cents, due);
    const held = sum(purchase.parts.map((part) => part.cents));
    const kept = held + purchase.reserved;
    const whole = reversed === due;
    // Of one with nothing to come, as after a clearing of all of it that is not the last, everything that is still held goes.
    const wanted = whole ? 0n : least(holdFor ?? this.keptFor(number, purchase, kept, [due - reversed, due]), kept);
    const freed = kept - wanted;
    if (whole) release(purchase.parts);
    else releaseFromBehind(purchase.parts, least(freed, held));
    // What is held goes back before what was taken already.
    this.returnReserve(purchase, most(freed - held, 0n));
    purchase.reversed += reversed;
    if (whole) purchase.state = purchase.state === 'pending' ? 'reversed' : 'cleared';
    this.uncount(purchase, reversed, whole && nothingCleared(purchase));
  }

  private expire(number: number, by: 'network' | 'us'): null {
    const purchase = this.account.purchases.get(number);
    if (purchase === undefined) return null;
    if (by === 'network') purchase.spokenOf = true;
    if (by === 'network') purchase.told = true;
    // What never held anything has no deadline.
    else if (purchase.approved > 0n) purchase.ranOut = true;
    if (!open(purchase)) return null;
    purchase.state = purchase.state === 'pending' ? 'expired' : 'cleared';
    release(purchase.parts);
    this.returnReserve(purchase, purchase.reserved);
    this.uncount(purchase, purchase.counted - purchase.cleared, nothingCleared(purchase));
    return null;
  }

  /** Takes all that is held, as far as its tokens reach, and sets it aside for the network. */
  private look(number: number): null {
    const purchase = this.account.purchases.get(number);
    if (!this.policy.atOnce || purchase === undefined || !open(purchase)) return null;
    // What a pump's dollar comes to is yet to be told.
    if (purchase.cleared === 0n && this.isStatusCheck(number, purchase.approved - purchase.reversed)) return null;
    for (const part of purchase.parts) {
      const taken = this.consume(part, part.cents);
      purchase.reserved += taken;
      if (taken > 0n) part.setAside = true;
    }
    release(purchase.parts);
    return null;
  }

  private returnReserve(purchase: Purchase, cents: bigint): void {
    purchase.reserved -= cents;
    this.giveBack(
      cents,
      purchase.parts.filter((part) => part.setAside),
    );
  }

  private refund(number: number | null, cents: bigint): null {
    const fee = number === null ? 0n : this.feeGivenBack(number, cents);
    this.account.owed -= cents;
    this.account.fees -= fee;
    const purchase = number === null ? undefined : this.account.purchases.get(number);
    const forced = number === null ? [] : this.forcedParts(number);
    this.giveBack(cents + fee, [...forced, ...(purchase?.parts ?? [])]);
    if (purchase === undefined) return null;
    purchase.refunded += cents;
    purchase.spokenOf = true;
    return null;
  }

  /** To what is overdue first, then to the loans and then the coins of these parts, the last first, then as the first coin. */
  private giveBack(cents: bigint, parts: readonly Part[]): void {
    const paid = least(cents, this.account.overdue);
    this.account.overdue -= paid;
    let left = cents - paid;
    const lastFirst = [...parts].sort((a, b) => a.order - b.order).reverse();
    for (const loans of [true, false]) {
      for (const part of lastFirst) {
        if ((part.source === 'loan') !== loans) continue;
        const given = least(left, part.posted);
        if (given === 0n) continue;
        left -= given;
        const tokens = given === part.posted ? part.postedTokens : (part.postedTokens * given) / part.posted;
        this.post(part, -given, -tokens);
      }
    }
    this.give(0, (left * TOKENS_E8_PER_CENT) / this.price(0));
  }

  /** What was charged and is not due any more. */
  private feeGivenBack(number: number, cents: bigint): bigint {
    const costs = this.costsOf(number);
    costs.left -= cents;
    const fee = most(costs.fees - this.feeDue(number), 0n);
    costs.fees -= fee;
    costs.refunds.push({ amount: cents, counted: this.account.purchases.has(number) });
    return fee;
  }

  /** Spent again, from what is free, with the fee that is due again. */
  private takeRefundBack(number: number | null, cents: bigint): null {
    if (number === null) {
      this.account.owed += cents;
      this.spend(cents, []);
      return null;
    }
    const purchase = this.account.purchases.get(number);
    const costs = this.costsOf(number);
    const lastFirst = costs.refunds.toReversed();
    const refund = lastFirst.find(({ amount }) => amount === cents) ?? lastFirst[0];
    const fee = this.charge(number, cents);
    if (purchase === undefined) this.spend(cents + fee, this.forcedParts(number), 0);
    else this.spend(cents + fee, purchase.parts);
    if (refund !== undefined) costs.refunds.splice(costs.refunds.lastIndexOf(refund), 1);
    if (purchase === undefined) return null;
    purchase.spokenOf = true;
    if (refund?.counted) purchase.refunded -= least(cents, refund.amount);
    return null;
  }

  private giveUp(number: number): null {
    const purchase = this.account.purchases.get(number);
    if (purchase === undefined || purchase.state !== 'pending' || purchase.spokenOf) return null;
    this.takeBack(purchase, number, purchase.approved);
    return null;
  }
}

function newPurchase(state: PurchaseState, approved: bigint, tillCash: bigint): Purchase {
  return {
    state,
    approved,
    cleared: 0n,
    reversed: 0n,
    refunded: 0n,
    counted: 0n,
    clearedBefore: 0n,
    reserved: 0n,
    parts: [],
    tillCash,
    spokenOf: false,
    told: false,
    ranOut: false,
  };
}

function newPart(source: Source, order: number): Part {
  return { source, order, cents: 0n, tokens: 0n, posted: 0n, postedTokens: 0n, setAside: false };
}

/** Nothing was cleared of it since it was last counted as a purchase. */
function nothingCleared({ cleared, clearedBefore }: Purchase): boolean {
  return cleared === clearedBefore;
}

/** Cents that are held for a purchase. */
function heldOf(purchase: Purchase): bigint {
  return sum(purchase.parts.map((part) => part.cents));
}

/** What may still be cleared of a purchase. */
function stillDue(purchase: Purchase): bigint {
  return open(purchase) ? most(purchase.approved - purchase.cleared - purchase.reversed, 0n) : 0n;
}

/** Nothing can be added to it any more. */
function over({ state, told, ranOut }: Purchase): boolean {
  return state === 'expired' || (state === 'reversed' && told) || (state === 'cleared' && (told || ranOut));
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
