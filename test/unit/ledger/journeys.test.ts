import fc from 'fast-check';
import {
  consumeLegs,
  type HeldLeg,
  heldUsd,
  releaseAll,
  releaseBuffers,
} from '../../../services/authorizations/rules/hold-legs';
import { type RefundableLeg, refundLoan, splitRefund } from '../../../services/authorizations/rules/refund-split';
import {
  allocateRepayment,
  drawSharesRoundUp,
  planAccrual,
  remainingSharesRoundUp,
} from '../../../services/credit/rules/interest';
import {
  bankSettlementOf,
  collateralOf,
  fundsOf,
  interestOf,
  loanOf,
  networkPayableOf,
  overdueOf,
  venueCollateralOf,
  venueDebtOf,
  walletOf,
} from '../../../services/ledger/account-refs';
import { accrueInterest } from '../../../services/ledger/templates/accrue-interest';
import { accrueYield } from '../../../services/ledger/templates/accrue-yield';
import { buyBackFromFloat, buyBackOnMarket } from '../../../services/ledger/templates/buy-back-tokens';
import { closePositionDifference } from '../../../services/ledger/templates/close-position-difference';
import { settleOverdue, takeForOverdue } from '../../../services/ledger/templates/collect-overdue';
import { drawLoan } from '../../../services/ledger/templates/draw-loan';
import { failDraw } from '../../../services/ledger/templates/fail-draw';
import { fundOrganization } from '../../../services/ledger/templates/fund-organization';
import { payGas } from '../../../services/ledger/templates/pay-gas';
import { placeAuthorizationHold } from '../../../services/ledger/templates/place-authorization-hold';
import { cancelPledge, pledgeCollateral, reservePledge } from '../../../services/ledger/templates/pledge-collateral';
import { type ClearedPart, postCardClearing } from '../../../services/ledger/templates/post-card-clearing';
import { postRefund, type RefundedPart } from '../../../services/ledger/templates/post-refund';
import { confirmDeposit, creditDeposit } from '../../../services/ledger/templates/record-deposit';
import { releaseAuthorizationHold } from '../../../services/ledger/templates/release-authorization-hold';
import {
  cancelRelease,
  releaseCollateral,
  reserveRelease,
} from '../../../services/ledger/templates/release-collateral';
import { cancelRepayment, repayLoan, reserveRepayment } from '../../../services/ledger/templates/repay-loan';
import { repayVenue } from '../../../services/ledger/templates/repay-venue';
import { payBackUnusedDraw, undoReorgedDraw } from '../../../services/ledger/templates/return-draw';
import { replaceLostSale, returnSale } from '../../../services/ledger/templates/return-sale';
import { payOutSale, sendForSale } from '../../../services/ledger/templates/sell-stablecoin';
import { settleNetwork } from '../../../services/ledger/templates/settle-network';
import { sweep } from '../../../services/ledger/templates/sweep';
import { topUpGas } from '../../../services/ledger/templates/top-up-gas';
import { venueRounding } from '../../../services/ledger/templates/venue-rounding';
import { invariant, required } from '../../../services/shared/assert';
import { maxBigint, minBigint, sumBigint } from '../../../services/shared/money';
import { divideRoundUp } from '../../../services/shared/rounding';
import { ModelLedger } from '../../builders/model-ledger';

const CHAIN = 31_337;
const RAY = 10n ** 27n;
const AT = new Date('2026-11-01T00:00:00Z');
const ACCOUNT = 'account';
const PROGRAM = 'program';
const TOKENS_PER_CENT = 10_000n;

const own = (asset: string) => walletOf(CHAIN, '0x0a', asset);
const treasury = (asset: string) => walletOf(CHAIN, '0x0b', asset);
const depositAddress = (asset: string) => walletOf(CHAIN, '0x0c', asset);
const venueDebt = venueDebtOf('aave_v3', '0x0c', 'USDC');
const venueCollateral = venueCollateralOf('aave_v3', '0x0c', 'WETH');
const operating = own('USDC');

/** As `expect(found).toBe(outside)`, without its cost: it is called tens of thousands of times. */
function same(what: string, found: bigint, outside: bigint): void {
  invariant(found === outside, `${what}: the books say ${found}, outside is ${outside}`);
}

interface Draw {
  readonly id: string;
  posted: bigint;
  confirmed: bigint;
  repaid: bigint;
  shares: bigint;
  venueInterest: bigint;
  spread: bigint;
}

interface Order {
  readonly id: string;
  readonly legId: string;
  readonly amount: bigint;
  readonly usd: bigint;
  readonly overdue: boolean;
  readonly draw: Draw | null;
  drawn: boolean;
  sent: boolean;
  attempt: number;
}

interface BuyBack {
  readonly id: string;
  readonly legId: string;
  readonly amount: bigint;
  readonly usd: bigint;
  readonly venue: bigint;
}

interface Purchase {
  readonly id: string;
  held: readonly HeldLeg[];
  legs: RefundableLeg[];
}

/**
 * The world outside and the books beside it. What stands outside is moved by its own arithmetic; every action does both and
 * nothing compares them until `check`.
 */
class Journey {
  readonly books = new ModelLedger();
  /** Wallet balances by name and asset, the venue, the bank, the off-ramp's till and what the network is owed. */
  private readonly chain = new Map<string, bigint>();
  private collateral = 0n;
  private debt = 0n;
  private bank = 0n;
  private till = 0n;
  private network = 0n;
  private index = RAY;
  private spread = RAY;
  private count = 0;
  private readonly draws: Draw[] = [];
  private readonly purchases: Purchase[] = [];
  private readonly orders: Order[] = [];
  private readonly buyBacks: BuyBack[] = [];

  constructor() {
    this.books.post(
      fundOrganization({
        reference: 'start',
        effectiveAt: AT,
        tokens: [
          { wallet: operating, amount: 10n ** 15n },
          { wallet: own('ETH'), amount: 10n ** 21n },
        ],
        cash: 10n ** 10n,
      }),
    );
    this.send('own', 'USDC', 10n ** 15n);
    this.send('own', 'ETH', 10n ** 21n);
    this.bank += 10n ** 10n;
  }

  private id(kind: string): string {
    this.count += 1;
    return `${kind}-${this.count}`;
  }

  private send(wallet: 'own' | 'treasury' | 'deposit', asset: string, amount: bigint): void {
    const name = `${wallet} ${asset}`;
    this.chain.set(name, (this.chain.get(name) ?? 0n) + amount);
  }

  private programIndex(): bigint {
    return (this.index * this.spread + RAY - 1n) / RAY;
  }

  deposit(asset: 'USDC' | 'WETH', amount: bigint): void {
    const depositId = this.id('deposit');
    this.send('deposit', asset, amount);
    this.books.post(confirmDeposit({ depositId, wallet: depositAddress(asset), amount, effectiveAt: AT }));
    this.check();
    this.books.post(creditDeposit({ depositId, accountId: ACCOUNT, asset, amount, effectiveAt: AT }));
    this.send('deposit', asset, -amount);
    this.send('treasury', asset, amount);
    const move = { reference: depositId, from: depositAddress(asset), to: treasury(asset), amount, effectiveAt: AT };
    this.books.post(sweep(move));
  }

  gas(amount: bigint): void {
    const reference = this.id('gas');
    this.send('own', 'ETH', -2n * amount);
    this.send('deposit', 'ETH', 2n * amount);
    this.books.post(
      topUpGas({ reference, from: own('ETH'), to: depositAddress('ETH'), amount: 2n * amount, effectiveAt: AT }),
    );
    this.send('deposit', 'ETH', -amount);
    this.books.post(
      payGas({ transactionHash: reference, sender: depositAddress('ETH'), cost: amount, effectiveAt: AT }),
    );
  }

  moveCollateral(kind: 'pledge' | 'release', wanted: bigint, fails: boolean): void {
    const from = kind === 'pledge' ? fundsOf(ACCOUNT, 'WETH') : collateralOf(ACCOUNT, 'WETH');
    const amount = minBigint(wanted, this.books.free(from));
    if (amount === 0n) return;
    const operationId = this.id(kind);
    const holdTransferId = this.books.newHoldId();
    const move = { operationId, accountId: ACCOUNT, asset: 'WETH', amount, holdTransferId, effectiveAt: AT };
    this.books.post(kind === 'pledge' ? reservePledge(move) : reserveRelease(move));
    this.check();
    if (fails) {
      this.books.post(kind === 'pledge' ? cancelPledge(move) : cancelRelease(move));
      return;
    }
    const supplied = kind === 'pledge' ? amount : -amount;
    this.send('treasury', 'WETH', -supplied);
    this.collateral += supplied;
    const confirmed = { ...move, treasury: treasury('WETH'), venueCollateral };
    this.books.post(kind === 'pledge' ? pledgeCollateral(confirmed) : releaseCollateral(confirmed));
  }

  yieldGrows(amount: bigint): void {
    if (this.collateral === 0n) return;
    this.collateral += amount;
    const reference = this.id('yield');
    this.books.post(
      accrueYield({ reference, accountId: ACCOUNT, asset: 'WETH', venueCollateral, amount, effectiveAt: AT }),
    );
    this.collateral -= 1n;
    this.books.post(venueRounding({ reference, account: venueCollateral, chainLessLedger: -1n, effectiveAt: AT }));
  }

  /** Approves over the funds, a loan, or both. */
  approve(usd: bigint, how: number): void {
    const free = this.books.free(fundsOf(ACCOUNT, 'USDC')) / (TOKENS_PER_CENT + 50n);
    const fromFunds = how === 0 ? usd : how === 1 ? 0n : usd / 2n;
    const saleUsd = minBigint(fromFunds, free);
    const loanUsd = how === 0 ? 0n : usd - saleUsd;
    const id = this.id('authorization');
    const held = (
      [
        ['stablecoin_sale', saleUsd],
        ['loan_draw', loanUsd],
      ] as const
    )
      .filter(([, cents]) => cents > 0n)
      .map(([kind, cents]) => ({
        legId: this.id('leg'),
        kind,
        asset: 'USDC',
        holdTransferId: this.books.newHoldId(),
        priceUsdE8: 10n ** 8n,
        leftAmount: cents * (TOKENS_PER_CENT + 50n),
        leftUsd: cents,
      }));
    if (held.length === 0) return;
    this.books.post(
      placeAuthorizationHold({
        authorizationId: id,
        accountId: ACCOUNT,
        effectiveAt: AT,
        legs: held.map((leg) => ({ ...leg, amount: leg.leftAmount })),
      }),
    );
    this.purchases.push({ id, held, legs: [] });
  }

  /** Clears some of the hold, or more than it; a price above par is taken from the buffer. */
  clear(pick: number, usd: bigint, final: boolean, premium: bigint): void {
    const purchase = this.purchases[pick % Math.max(this.purchases.length, 1)];
    if (purchase === undefined) return;
    const price = (_leg: HeldLeg, cents: bigint) => cents * (TOKENS_PER_CENT + premium);
    const consumed = consumeLegs(purchase.held, usd, price);
    const released = final || heldUsd(consumed.left) === 0n ? releaseAll(consumed.left) : releaseBuffers(consumed.left);
    const cardTransactionId = this.id('clearing');
    const givenBack = released.shares.filter((share) => share.amount > 0n);
    if (givenBack.length > 0) {
      this.books.post(
        releaseAuthorizationHold({
          authorizationId: purchase.id,
          accountId: ACCOUNT,
          reference: cardTransactionId,
          reason: final ? 'void' : 'expire',
          effectiveAt: AT,
          legs: givenBack,
        }),
      );
    }
    const parts: ClearedPart[] = [...consumed.shares];
    const free = this.books.free(fundsOf(ACCOUNT, 'USDC')) / TOKENS_PER_CENT;
    const sold = minBigint(consumed.uncoveredUsd, free);
    if (sold > 0n) {
      const amount = sold * TOKENS_PER_CENT;
      const kind = 'stablecoin_sale' as const;
      parts.push({ kind, legId: this.id('leg'), asset: 'USDC', amount, amountUsd: sold, holdTransferId: null });
    }
    const uncovered = consumed.uncoveredUsd - sold;
    if (uncovered > 0n) parts.push({ kind: 'overdue', legId: this.id('leg'), amountUsd: uncovered });
    this.books.post(
      postCardClearing({ cardTransactionId, programId: PROGRAM, accountId: ACCOUNT, effectiveAt: AT, parts }),
    );
    this.network += usd;
    purchase.held = released.left;
    for (const part of parts) this.fund(purchase, part);
  }

  private fund(purchase: Purchase, part: ClearedPart): void {
    const amount = part.kind === 'overdue' ? part.amountUsd : part.amount;
    const known = purchase.legs.find((leg) => leg.legId === part.legId);
    const before = known ?? { postedAmount: 0n, postedUsd: 0n, refundedAmount: 0n, refundedUsd: 0n };
    purchase.legs = [
      ...purchase.legs.filter((leg) => leg !== known),
      {
        ...before,
        legId: part.legId,
        kind: part.kind,
        asset: part.kind === 'overdue' ? 'USD' : part.asset,
        postedAmount: before.postedAmount + amount,
        postedUsd: before.postedUsd + part.amountUsd,
      },
    ];
    if (part.kind === 'overdue') return;
    let draw = this.draws.find((each) => each.id === part.legId) ?? null;
    if (part.kind === 'loan_draw') {
      if (draw === null) {
        draw = { id: part.legId, posted: 0n, confirmed: 0n, repaid: 0n, shares: 0n, venueInterest: 0n, spread: 0n };
        this.draws.push(draw);
      }
      draw.posted += amount;
    }
    this.orders.push({
      id: this.id('order'),
      legId: part.legId,
      amount,
      usd: part.amountUsd,
      overdue: false,
      draw,
      drawn: false,
      sent: false,
      attempt: 1,
    });
  }

  /** Brings one order a step forward: borrow, send, pay out. `luck` decides what goes wrong. */
  advance(pick: number, luck: number, gain: bigint): void {
    const order = this.orders[pick % Math.max(this.orders.length, 1)];
    if (order === undefined) return;
    if (order.draw !== null && !order.drawn) this.borrow(order, order.draw, luck);
    else if (!order.sent) this.sendOrReorg(order, luck);
    else this.finishSale(order, luck, gain);
  }

  private borrow(order: Order, draw: Draw, luck: number): void {
    this.accrue();
    const openBefore = maxBigint(draw.confirmed - draw.repaid, 0n);
    const owed = maxBigint(draw.confirmed + order.amount - draw.repaid, 0n) - openBefore;
    if (luck === 0) {
      // A refund may have given a part of it back before it failed.
      const { id: orderId, legId } = order;
      const amountUsd = divideRoundUp(order.usd * owed, order.amount);
      const refunded = { amount: order.amount - owed, amountUsd: order.usd - amountUsd };
      this.books.post(
        failDraw({
          orderId,
          legId,
          accountId: ACCOUNT,
          asset: 'USDC',
          amount: owed,
          amountUsd,
          refunded,
          effectiveAt: AT,
        }),
      );
      draw.posted -= order.amount;
      draw.repaid -= refunded.amount;
      this.drop(order);
      return;
    }
    this.send('treasury', 'USDC', order.amount);
    this.debt += order.amount + 1n;
    this.books.post(
      drawLoan({
        orderId: order.id,
        attempt: order.attempt,
        legId: order.legId,
        treasury: treasury('USDC'),
        venueDebt,
        amount: order.amount,
        effectiveAt: AT,
      }),
    );
    const reference = `${order.id}:${order.attempt}`;
    this.books.post(venueRounding({ reference, account: venueDebt, chainLessLedger: 1n, effectiveAt: AT }));
    draw.confirmed += order.amount;
    draw.shares += drawSharesRoundUp(owed, this.programIndex());
    order.drawn = true;
  }

  private sendOrReorg(order: Order, luck: number): void {
    const { draw } = order;
    if (draw !== null && luck === 1 && draw.confirmed === order.amount && draw.repaid === 0n) {
      const interest = this.books.balance(interestOf(ACCOUNT, draw.id, 'USDC'));
      const venueInterest = minBigint(interest, this.books.balance(venueDebt) - order.amount);
      this.send('treasury', 'USDC', -order.amount);
      this.debt -= order.amount + venueInterest;
      this.books.post(
        undoReorgedDraw({
          orderId: order.id,
          attempt: order.attempt,
          legId: order.legId,
          accountId: ACCOUNT,
          treasury: treasury('USDC'),
          venueDebt,
          amount: order.amount,
          venueInterest,
          spreadInterest: interest - venueInterest,
          effectiveAt: AT,
        }),
      );
      draw.confirmed = 0n;
      draw.shares = 0n;
      order.drawn = false;
      order.attempt += 1;
      return;
    }
    this.send('treasury', 'USDC', -order.amount);
    this.till += order.amount;
    this.books.post(
      sendForSale({
        orderId: order.id,
        attempt: order.attempt,
        legId: order.legId,
        treasury: treasury('USDC'),
        amount: order.amount,
        effectiveAt: AT,
      }),
    );
    order.sent = true;
  }

  private finishSale(order: Order, luck: number, gain: bigint): void {
    const { amount, legId } = order;
    const back = {
      orderId: order.id,
      attempt: order.attempt,
      legId,
      treasury: treasury('USDC'),
      amount,
      effectiveAt: AT,
    };
    if (luck === 2 || luck === 3) {
      this.till -= amount;
      this.send('treasury', 'USDC', amount);
      if (luck === 3) this.send('own', 'USDC', -amount);
      this.books.post(luck === 2 ? returnSale(back) : replaceLostSale({ ...back, operating }));
      order.sent = false;
      order.attempt += 1;
      return;
    }
    const grossUsd = maxBigint(order.usd + gain, 1n);
    const feeUsd = minBigint(7n, grossUsd);
    this.till -= amount;
    this.bank += grossUsd - feeUsd;
    this.books.post(payOutSale({ orderId: order.id, legId, asset: 'USDC', amount, grossUsd, feeUsd, effectiveAt: AT }));
    if (order.overdue) {
      const settled = { orderId: order.id, legId, accountId: ACCOUNT, amountUsd: order.usd, effectiveAt: AT };
      this.books.post(settleOverdue(settled));
    }
    const openDebit = order.usd - grossUsd;
    this.books.post(closePositionDifference({ reference: order.id, legId, asset: 'USD', openDebit, effectiveAt: AT }));
    this.drop(order);
  }

  private drop(order: Order): void {
    this.orders.splice(this.orders.indexOf(order), 1);
  }

  private openDraws() {
    return this.draws.map((draw) => ({
      draw,
      drawId: draw.id,
      shares: draw.shares,
      principalOpen: maxBigint(draw.confirmed - draw.repaid, 0n),
      interestOpen: this.books.balance(interestOf(ACCOUNT, draw.id, 'USDC')),
    }));
  }

  /** Time passes at the venue; nothing is posted until something touches the account. */
  timePasses(venueGrowth: bigint, spreadGrowth: bigint): void {
    const grown = (this.index * (1_000_000n + venueGrowth)) / 1_000_000n;
    this.debt = (this.debt * grown) / this.index;
    this.index = grown;
    this.spread = (this.spread * (1_000_000n + spreadGrowth)) / 1_000_000n;
  }

  accrue(): void {
    const plan = planAccrual(this.openDraws(), this.programIndex(), this.debt - this.books.balance(venueDebt));
    const reference = this.id('accrual');
    for (const part of plan.draws) {
      const draw = required(
        this.draws.find((each) => each.id === part.drawId),
        'draw',
      );
      draw.venueInterest += part.venuePart;
      draw.spread += part.interest - part.venuePart;
    }
    this.books.post(
      accrueInterest({
        reference,
        accountId: ACCOUNT,
        venueDebt,
        draws: plan.draws,
        expense: plan.expense,
        effectiveAt: AT,
      }),
    );
  }

  repay(wanted: bigint, fails: boolean): void {
    const amount = minBigint(wanted, this.books.free(fundsOf(ACCOUNT, 'USDC')));
    if (amount === 0n) return;
    const repaymentId = this.id('repayment');
    const holdTransferId = this.books.newHoldId();
    const base = { repaymentId, accountId: ACCOUNT, asset: 'USDC', effectiveAt: AT };
    this.books.post(reserveRepayment({ ...base, holdTransferId, amount }));
    this.check();
    if (fails) {
      this.books.post(cancelRepayment({ ...base, holdTransferId, amount }));
      return;
    }
    this.accrue();
    const open = this.openDraws();
    const { parts, unused } = allocateRepayment(open, amount);
    const paid = amount - unused;
    const fromTreasury = minBigint(paid, this.debt);
    const settled = open.every(
      (each) => each.principalOpen === 0n || parts.some((part) => part.drawId === each.drawId),
    );
    const last = settled && unused > 0n && this.draws.every((draw) => draw.posted <= draw.confirmed);
    const fromOperating = last ? this.debt - fromTreasury : 0n;
    this.debt -= fromTreasury + fromOperating;
    this.send('treasury', 'USDC', -fromTreasury);
    this.send('own', 'USDC', -fromOperating);
    this.books.post(repayLoan({ ...base, hold: { transferId: holdTransferId, amount }, draws: parts }));
    for (const part of parts) {
      const before = required(
        open.find((each) => each.drawId === part.drawId),
        'draw',
      );
      before.draw.repaid += part.principal;
      const left = before.principalOpen + before.interestOpen - part.principal - part.interest;
      before.draw.shares = remainingSharesRoundUp(before.draw.shares, left, this.programIndex());
    }
    this.books.post(
      repayVenue({
        repaymentId,
        venueDebt,
        treasury: treasury('USDC'),
        fromTreasury,
        operating,
        fromOperating,
        effectiveAt: AT,
      }),
    );
  }

  refund(pick: number, usd: bigint): void {
    const purchase = this.purchases[pick % Math.max(this.purchases.length, 1)];
    const collecting = sumBigint(this.orders.filter((order) => order.overdue).map((order) => order.usd));
    const split = splitRefund({
      amountUsd: usd,
      accountOverdueUsd: this.books.balance(overdueOf(ACCOUNT)) - collecting,
      legs: purchase?.legs ?? [],
      otherwise: { asset: 'USDC', priceUsdE8: 10n ** 8n, decimals: 6 },
    });
    const legId = this.id('refund-leg');
    const parts: RefundedPart[] = [];
    for (const share of split.shares) {
      let venue = 0n;
      const draw = share.kind === 'loan_draw' ? this.draws.find((each) => each.id === share.legId) : undefined;
      if (draw === undefined) {
        parts.push({ kind: 'funds', asset: 'USDC', amount: share.amount });
      } else {
        const confirmedOpen = maxBigint(draw.confirmed - draw.repaid, 0n);
        const loan = refundLoan({
          amount: share.amount,
          principalOpen: this.books.balance(loanOf(ACCOUNT, draw.id, 'USDC')),
          confirmedOpen,
          interestOpen: this.books.balance(interestOf(ACCOUNT, draw.id, 'USDC')),
          venueInterestPosted: draw.venueInterest,
          spreadPosted: draw.spread,
          shares: draw.shares,
        });
        const spreadInterest = loan.interest - loan.venueInterest;
        const { principal, venueInterest } = loan;
        parts.push({ kind: 'loan', drawId: draw.id, asset: 'USDC', principal, venueInterest, spreadInterest });
        parts.push({ kind: 'funds', asset: 'USDC', amount: loan.toFunds });
        draw.repaid += loan.principal;
        draw.shares = loan.sharesLeft;
        venue = loan.principal;
      }
      if (share.amount > 0n) {
        this.buyBacks.push({ id: this.id('buy-back'), legId, amount: share.amount, usd: share.amountUsd, venue });
      }
      if (purchase !== undefined) {
        purchase.legs = purchase.legs.map((leg) =>
          leg.legId === share.legId
            ? {
                ...leg,
                refundedAmount: leg.refundedAmount + share.amount,
                refundedUsd: leg.refundedUsd + share.amountUsd,
              }
            : leg,
        );
      }
    }
    this.network -= usd;
    this.books.post(
      postRefund({
        cardTransactionId: this.id('refund'),
        legId,
        programId: PROGRAM,
        accountId: ACCOUNT,
        amountUsd: usd,
        overdueUsd: split.overdueUsd,
        parts,
        effectiveAt: AT,
      }),
    );
  }

  buyBack(pick: number, onMarket: boolean, loss: bigint): void {
    const bought = this.buyBacks[pick % Math.max(this.buyBacks.length, 1)];
    if (bought === undefined) return;
    const { id: reference, legId } = bought;
    if (onMarket) {
      const paid = bought.usd + loss;
      this.bank -= paid;
      this.send('treasury', 'USDC', bought.amount);
      const input = {
        reference,
        legId,
        treasury: treasury('USDC'),
        amount: bought.amount,
        amountUsd: paid,
        effectiveAt: AT,
      };
      this.books.post(buyBackOnMarket(input));
      this.books.post(
        closePositionDifference({ reference, legId, asset: 'USD', openDebit: paid - bought.usd, effectiveAt: AT }),
      );
    } else {
      this.accrue();
      const toVenue = minBigint(bought.venue, this.debt);
      const toTreasury = bought.amount - toVenue;
      this.debt -= toVenue;
      this.send('own', 'USDC', -bought.amount);
      this.send('treasury', 'USDC', toTreasury);
      this.books.post(
        buyBackFromFloat({
          reference,
          legId,
          amountUsd: bought.usd,
          operating,
          treasury: treasury('USDC'),
          toTreasury,
          venueDebt,
          toVenue,
          effectiveAt: AT,
        }),
      );
    }
    this.buyBacks.splice(this.buyBacks.indexOf(bought), 1);
  }

  /** A borrow that turned out not to be needed, paid back with what the venue asked meanwhile. */
  unusedDraw(amount: bigint, venueInterest: bigint): void {
    const legId = this.id('unused');
    const order = { orderId: legId, attempt: 1, legId, treasury: treasury('USDC'), venueDebt, amount, effectiveAt: AT };
    this.debt += amount;
    this.send('treasury', 'USDC', amount);
    this.books.post(drawLoan(order));
    this.check();
    this.debt -= amount;
    this.send('treasury', 'USDC', -amount);
    this.send('own', 'USDC', -venueInterest);
    this.books.post(payBackUnusedDraw({ ...order, operating, venueInterest }));
  }

  collect(): void {
    const collecting = sumBigint(this.orders.filter((order) => order.overdue).map((order) => order.usd));
    const missing = this.books.balance(overdueOf(ACCOUNT)) - collecting;
    const usd = minBigint(missing, this.books.free(fundsOf(ACCOUNT, 'USDC')) / TOKENS_PER_CENT);
    if (usd <= 0n) return;
    const id = this.id('order');
    const legId = this.id('leg');
    const amount = usd * TOKENS_PER_CENT;
    this.books.post(takeForOverdue({ orderId: id, legId, accountId: ACCOUNT, asset: 'USDC', amount, effectiveAt: AT }));
    this.orders.push({ id, legId, amount, usd, overdue: true, draw: null, drawn: false, sent: false, attempt: 1 });
  }

  settle(): void {
    const netAmount = this.network;
    this.bank -= netAmount;
    this.network = 0n;
    this.books.post(
      settleNetwork({ settlementId: this.id('settlement'), programId: PROGRAM, netAmount, effectiveAt: AT }),
    );
  }

  /** Every account equals what stands outside; client money is covered. */
  check(): void {
    const wallets = { own, treasury, deposit: depositAddress };
    for (const [name, outside] of this.chain) {
      const [wallet, asset] = name.split(' ') as [keyof typeof wallets, string];
      same(name, this.books.balance(wallets[wallet](asset)), outside);
    }
    same('bank', this.books.balance(bankSettlementOf('operating')), this.bank);
    same('network', this.books.balance(networkPayableOf(PROGRAM)), this.network);
    same('venue collateral', this.books.balance(venueCollateral), this.collateral);
    same('off-ramp', sumBigint(this.books.balancesOf('offramp.transit').map((each) => each.balance)), this.till);
    for (const total of this.books.totals().values()) same('sum of an asset', total, 0n);
    for (const asset of ['USDC', 'WETH']) {
      // Per leg, not netted: a borrow that is still to come covers nothing that is owed elsewhere.
      const open = sumBigint(
        this.books
          .openPositions()
          .map((text) => text.split(' '))
          .filter((part) => part[1] === asset)
          .map((part) => maxBigint(BigInt(part[2] ?? 0), 0n)),
      );
      const clients = this.books.free(fundsOf(ACCOUNT, asset));
      const cover =
        this.books.balance(treasury(asset)) +
        this.books.balance(depositAddress(asset)) +
        (asset === 'USDC' ? this.till : 0n) +
        open;
      invariant(cover >= clients, `${asset} of cardholders is not covered: ${cover} < ${clients}`);
    }
    for (const { draw } of this.openDraws()) {
      same('loan', this.books.balance(loanOf(ACCOUNT, draw.id, 'USDC')), draw.posted - draw.repaid);
    }
  }

  /** Lets everything end well. */
  finish(): void {
    for (const purchase of this.purchases) {
      const held = releaseAll(purchase.held).shares.filter((share) => share.amount > 0n);
      if (held.length === 0) continue;
      this.books.post(
        releaseAuthorizationHold({
          authorizationId: purchase.id,
          accountId: ACCOUNT,
          reference: 'expiry',
          reason: 'expire',
          effectiveAt: AT,
          legs: held,
        }),
      );
      purchase.held = [];
    }
    while (this.orders.length > 0) this.advance(0, 9, 0n);
    while (this.buyBacks.length > 0) this.buyBack(0, false, 0n);
    this.settle();
    this.accrue();
    this.check();
    expect(this.books.balance(venueDebt)).toBe(this.debt);
    expect(this.books.openPositions()).toEqual([]);
  }
}

const step = fc.record({
  action: fc.nat(15),
  pick: fc.nat(7),
  luck: fc.nat(9),
  cents: fc.bigInt(1n, 30_000n),
  small: fc.bigInt(0n, 60n),
  flag: fc.boolean(),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function take(journey: Journey, { action, pick, luck, cents, small, flag }: Step): void {
  const tokens = cents * TOKENS_PER_CENT;
  const actions: readonly (() => void)[] = [
    () => journey.deposit('USDC', tokens),
    () => journey.deposit('WETH', cents * 10n ** 14n),
    () => journey.gas(cents),
    () => journey.moveCollateral(flag ? 'pledge' : 'release', cents * 10n ** 13n, luck === 0),
    () => journey.yieldGrows(small + 2n),
    () => journey.approve(cents, pick % 3),
    () => journey.approve(cents, 2),
    () => journey.clear(pick, cents, flag, small),
    () => journey.clear(pick, cents, true, small),
    () => journey.advance(pick, luck, small - 30n),
    () => journey.advance(pick, 9, small - 30n),
    () => journey.timePasses(cents, small),
    () => journey.repay(tokens, luck === 0),
    () => journey.refund(pick, cents),
    () => (flag ? journey.buyBack(pick, false, 0n) : journey.collect()),
    () => (flag ? journey.settle() : journey.unusedDraw(tokens, small)),
  ];
  required(actions[action], 'an action')();
}

test('random journeys: every account equals what stands outside, and finished legs leave no position', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 90 }), (steps) => {
      const journey = new Journey();
      for (const each of steps) {
        take(journey, each);
        journey.check();
      }
      journey.finish();
    }),
    { numRuns: 1_000 },
  );
});

test('a refund bought on the market leaves no position, and its loss is ours', () => {
  const journey = new Journey();
  journey.deposit('USDC', 100_000_000n);
  journey.approve(4_250n, 0);
  journey.clear(0, 4_250n, true, 0n);
  journey.refund(0, 2_000n);
  journey.check();
  journey.buyBack(0, true, 3n);
  journey.finish();
});

test('the model finds a template that books the wrong amount', () => {
  const journey = new Journey();
  journey.deposit('USDC', 100_000_000n);
  const wrong = sweep({
    reference: 'wrong',
    from: treasury('USDC'),
    to: depositAddress('USDC'),
    amount: 1n,
    effectiveAt: AT,
  });
  journey.books.post(wrong);
  expect(() => journey.check()).toThrow('the books say');
});
