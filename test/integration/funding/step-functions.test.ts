import { moveCollateral } from '../../../services/collateral/move-collateral';
import { pledgeCollateral } from '../../../services/collateral/pledge-collateral';
import { releaseCollateral } from '../../../services/collateral/release-collateral';
import { creditDeposit } from '../../../services/deposits/credit-deposit';
import { drawLoan } from '../../../services/funding/draw-loan';
import { repayLoan } from '../../../services/funding/repay-loan';
import { requestRepayment } from '../../../services/funding/request-repayment';
import { fundingPolicyForMode } from '../../../services/funding/rules/funding-policy';
import { sellStablecoin } from '../../../services/funding/sell-stablecoin';
import { collateralOf, fundsOf, loanOf, overdueOf, venueDebtOf } from '../../../services/ledger/account-refs';
import { required } from '../../../services/shared/assert';
import { createFundingWorld } from '../../builders/funding-world';
import { startOwnChain } from '../../setup/own-chain';

const USDC = 1_000_000n;
const WETH = 10n ** 18n;

let chain: Awaited<ReturnType<typeof startOwnChain>>;
let world: Awaited<ReturnType<typeof createFundingWorld>>;

beforeAll(async () => {
  chain = await startOwnChain();
  world = await createFundingWorld(chain);
});

afterAll(async () => {
  await world.close();
  await chain.stop();
});

type Holder = Awaited<ReturnType<typeof world.holder>>;

async function pledge(holder: Holder, amount: bigint): Promise<void> {
  const { organizationId, accountId } = holder;
  const asked = await holder.inside((trx) =>
    pledgeCollateral(trx, world.deps, { organizationId, accountId, asset: 'WETH', amount }),
  );
  if (!asked.ok) throw new Error(asked.error.detail);
  const result = await world.drive(() => moveCollateral(world.deps, { organizationId, operationId: asked.value.id }));
  expect(result.state).toBe('confirmed');
}

async function borrower(): Promise<Holder> {
  const holder = await world.holder({ credit: true, fundingPolicy: fundingPolicyForMode('borrow', ['USDC']) });
  await holder.deposit('WETH', WETH);
  await pledge(holder, WETH);
  return holder;
}

describe('deposit', () => {
  it('is credited once it is confirmed, swept, and opens a tax lot', async () => {
    const holder = await world.holder();
    const id = await holder.deposit('USDC', 500n * USDC);
    expect(await holder.balance(fundsOf(holder.accountId, 'USDC'))).toBe(500n * USDC);
    const [lot] = await holder.rows('tax_lots');
    expect(lot).toMatchObject({ source: 'deposit', source_id: id, quantity: 500n * USDC, remaining: 500n * USDC });
    await world.scan();
    await world.drive(() => creditDeposit(world.deps, { organizationId: holder.organizationId, depositId: id }));
    expect(await holder.balance(fundsOf(holder.accountId, 'USDC'))).toBe(500n * USDC);
    expect(await holder.events()).toContain('deposit.credited');
    await holder.expectSound();
  });

  it('is dropped when a reorg takes it back before it is confirmed', async () => {
    const holder = await world.holder();
    await world.sandbox.fundToken('USDC', holder.own.address, 7n * USDC);
    await world.scan();
    const [deposit] = await holder.rows('deposits');
    expect(deposit.state).toBe('seen');
    await world.sandbox.reorg(1);
    const result = await world.drive(() =>
      creditDeposit(world.deps, { organizationId: holder.organizationId, depositId: deposit.id }),
    );
    expect(result.state).toBe('dropped');
    expect(await holder.balance(fundsOf(holder.accountId, 'USDC'))).toBe(0n);
    await world.scan();
    expect((await holder.rows('deposits')).length).toBe(1);
    await holder.expectSound();
  });
});

describe('sale', () => {
  it('ends with the money at the bank, closed positions and a disposal', async () => {
    const holder = await world.holder();
    await holder.deposit('USDC', 500n * USDC);
    const { postings } = await holder.spend(4_250n);
    const postingId = required(postings[0], 'posting');
    const key = { organizationId: holder.organizationId, postingId };
    const result = await world.drive(() => sellStablecoin(world.deps, key));
    expect(result).toEqual({ done: true, state: 'paid_out' });
    expect(await sellStablecoin(world.deps, key)).toEqual({ done: true, state: 'paid_out' });
    const [sale] = await holder.rows('sale_orders');
    expect(sale).toMatchObject({ state: 'paid_out', attempt: 1, covers_usd: 4_250n });
    expect((await holder.rows('leg_postings'))[0].state).toBe('funded');
    expect((await holder.rows('card_transactions'))[0].state).toBe('funded');
    const disposals = await holder.rows('tax_disposals');
    expect(disposals).toHaveLength(1);
    expect(disposals[0]).toMatchObject({ source: 'sale', source_id: postingId, quantity: sale.amount });
    expect(await holder.openPositions()).toEqual([]);
    await holder.expectSound();
  });

  it('whose tokens come back is sold again by an order of its own', async () => {
    const holder = await world.holder();
    await holder.deposit('USDC', 100n * USDC);
    const { postings } = await holder.spend(2_000n);
    await world.bridge.sandbox.planNextOrder('return');
    const key = { organizationId: holder.organizationId, postingId: required(postings[0], 'posting') };
    const result = await world.drive(() => sellStablecoin(world.deps, key));
    expect(result.state).toBe('paid_out');
    expect((await holder.rows('sale_orders'))[0]).toMatchObject({ attempt: 2, state: 'paid_out' });
    expect(await holder.rows('tax_disposals')).toHaveLength(1);
    expect(await holder.openPositions()).toEqual([]);
    await holder.expectSound();
  });
});

describe('collateral', () => {
  it('is supplied for the account, delegates credit, and can be taken back without a loan', async () => {
    const holder = await world.holder({ credit: true });
    await holder.deposit('WETH', WETH);
    await pledge(holder, WETH);
    expect(await holder.balance(collateralOf(holder.accountId, 'WETH'))).toBe(WETH);
    expect(BigInt((await holder.state()).delegation_left)).toBeGreaterThan(0n);
    await holder.expectSound();
    const { organizationId, accountId } = holder;
    const asked = await holder.inside((trx) =>
      releaseCollateral(trx, world.deps, { organizationId, accountId, asset: 'WETH', amount: WETH / 4n }),
    );
    if (!asked.ok) throw new Error(asked.error.detail);
    await world.drive(() => moveCollateral(world.deps, { organizationId, operationId: asked.value.id }));
    expect(await holder.balance(collateralOf(accountId, 'WETH'))).toBe((3n * WETH) / 4n);
    expect(await holder.balance(fundsOf(accountId, 'WETH'))).toBe(WETH / 4n);
    await holder.expectSound();
  });
});

describe('loan', () => {
  it('is drawn on chain, sold without a disposal, partly refunded, and repaid in full', async () => {
    const holder = await borrower();
    const { organizationId, accountId } = holder;
    const { postings, request } = await holder.spend(12_000n);
    const key = { organizationId, postingId: required(postings[0], 'posting') };
    const drawn = await world.drive(() => drawLoan(world.deps, key));
    expect(drawn.state).toBe('paid_out');
    const [draw] = await holder.rows('loan_draws');
    expect(draw.state).toBe('confirmed');
    expect(BigInt(draw.principal_confirmed)).toBe(BigInt(draw.principal_posted));
    expect((await holder.state()).loan_unconfirmed).toBe(0n);
    expect(await holder.rows('tax_disposals')).toEqual([]);
    expect(await holder.openPositions()).toEqual([]);
    await holder.expectSound();

    const health = await holder.inside((trx) =>
      releaseCollateral(trx, world.deps, { organizationId, accountId, asset: 'WETH', amount: WETH }),
    );
    expect(health).toMatchObject({ ok: false, error: { code: 'would_break_health' } });

    const debtBefore = await holder.balance(venueDebtOf('aave_v3', holder.own.address, 'USDC'));
    await holder.record(request, 'refund', { amount: 5_000n });
    const [refund] = (await holder.rows('repayments')).slice(-1);
    const refunded = await world.drive(() => repayLoan(world.deps, { organizationId, repaymentId: refund.id }));
    expect(refunded.state).toBe('confirmed');
    const debtAfter = await holder.balance(venueDebtOf('aave_v3', holder.own.address, 'USDC'));
    expect(debtBefore - debtAfter).toBeGreaterThan(49n * USDC);
    expect(await holder.openPositions()).toEqual([]);
    await holder.expectSound();

    await holder.deposit('USDC', 200n * USDC);
    await world.watch();
    const asked = await holder.inside((trx) =>
      requestRepayment(trx, world.deps, { organizationId, accountId, asset: 'USDC', amount: 'all' }),
    );
    if (!asked.ok) throw new Error(asked.error.detail);
    const repaid = await world.drive(() => repayLoan(world.deps, { organizationId, repaymentId: asked.value.id }));
    expect(repaid.state).toBe('confirmed');
    expect((await holder.state()).debt_shares).toBe(0n);
    expect((await holder.rows('loan_draws'))[0].state).toBe('repaid');
    expect(await holder.balance(loanOf(accountId, draw.id, 'USDC'))).toBe(0n);
    expect((await holder.rows('tax_disposals')).map((row) => row.source)).toContain('repayment');
    await holder.expectSound();
  });

  it('is repaid in part, interest first', async () => {
    const holder = await borrower();
    const { organizationId, accountId } = holder;
    const { postings } = await holder.spend(10_000n);
    await world.drive(() => drawLoan(world.deps, { organizationId, postingId: required(postings[0], 'posting') }));
    await holder.deposit('USDC', 60n * USDC);
    await world.sandbox.increaseTime(86_400 * 30);
    await world.watch();
    const asked = await holder.inside((trx) =>
      requestRepayment(trx, world.deps, { organizationId, accountId, asset: 'USDC', amount: 40n * USDC }),
    );
    if (!asked.ok) throw new Error(asked.error.detail);
    await world.drive(() => repayLoan(world.deps, { organizationId, repaymentId: asked.value.id }));
    const [draw] = await holder.rows('loan_draws');
    expect(BigInt(draw.interest_repaid)).toBeGreaterThan(0n);
    expect(BigInt(draw.interest_repaid) + BigInt(draw.principal_repaid)).toBe(40n * USDC);
    expect(await holder.balance(fundsOf(accountId, 'USDC'))).toBe(20n * USDC);
    await holder.expectSound();
  });

  it('that the venue refuses leaves its purchase overdue, which the next deposit pays', async () => {
    const holder = await borrower();
    const { organizationId, accountId } = holder;
    const { postings } = await holder.spend(150_000n);
    await world.sandbox.setFeedAnswer('WETH', 10_000_000_000n, new Date());
    try {
      const result = await world.drive(() =>
        drawLoan(world.deps, { organizationId, postingId: required(postings[0], 'posting') }),
      );
      expect(result.state).toBe('failed');
    } finally {
      await world.sandbox.setFeedAnswer('WETH', 300_000_000_000n, new Date());
    }
    expect(await holder.balance(overdueOf(accountId))).toBe(150_000n);
    expect((await holder.state()).loan_unconfirmed).toBe(0n);
    await holder.deposit('USDC', 2_000n * USDC);
    const collection = required((await holder.rows('sale_orders'))[0], 'sale for what is overdue');
    await world.drive(() => sellStablecoin(world.deps, { organizationId, postingId: collection.id }));
    expect(await holder.balance(overdueOf(accountId))).toBe(0n);
    expect((await holder.state()).overdue_amount).toBe(0n);
    expect((await holder.rows('card_transactions'))[0].state).toBe('funded');
    expect(await holder.openPositions()).toEqual([]);
    await holder.expectSound();
  });
});

describe('a draw that fails after a refund', () => {
  it('leaves the other draws of its purchase with all that they owe', async () => {
    const holder = await borrower();
    const { organizationId } = holder;
    const { request, postings } = await holder.spend(150_000n, {}, { amount: 50_000n, final: false });
    await holder.record(request, 'clearing', { amount: 100_000n });
    const [first, second] = (await holder.rows('leg_postings')).map((posting) => posting.id);
    expect(first).toBe(postings[0]);
    await holder.record(request, 'refund', { amount: 20_000n });
    await world.sandbox.setFeedAnswer('WETH', 10_000_000_000n, new Date());
    try {
      const result = await world.drive(() => drawLoan(world.deps, { organizationId, postingId: first }));
      expect(result.state).toBe('failed');
    } finally {
      await world.sandbox.setFeedAnswer('WETH', 300_000_000_000n, new Date());
    }
    const result = await world.drive(() => drawLoan(world.deps, { organizationId, postingId: second }));
    expect(result.state).toBe('paid_out');
    const [draw] = await holder.rows('loan_draws');
    expect(draw.principal_posted - draw.principal_repaid).toBe(1_000n * USDC);
    expect(draw.principal_confirmed).toBe(1_000n * USDC);
    expect((await holder.state()).loan_unconfirmed).toBe(0n);
  });
});

describe('a reorg deeper than the policy', () => {
  it('takes a confirmed borrow back: the same bytes are sent again before anything is sold', async () => {
    const holder = await borrower();
    const key = {
      organizationId: holder.organizationId,
      postingId: required((await holder.spend(2_500n)).postings[0], 'posting'),
    };
    await world.drive(
      () => drawLoan(world.deps, key),
      (result) => result.state === 'confirmed',
    );
    const [order] = await holder.rows('draw_orders');
    const head = await world.deps.reader.head();
    await world.sandbox.reorg(Number(head.number - order.block_number) + 1);
    expect(await drawLoan(world.deps, key)).toMatchObject({
      done: false,
      reason: expect.stringContaining('sent again'),
    });
    const result = await world.drive(() => drawLoan(world.deps, key));
    expect(result.state).toBe('paid_out');
    const position = await world.deps.venue.position(holder.own.address);
    expect(position.debt['USDC']).toBeLessThan(26n * USDC);
    expect(position.debt['USDC']).toBeGreaterThanOrEqual(25n * USDC);
    expect(await holder.openPositions()).toEqual([]);
  });
});

describe('steps that are repeated and raced', () => {
  it('two workers that take every step of a draw at once borrow, sell and book once', async () => {
    const holder = await borrower();
    const { organizationId } = holder;
    const { postings } = await holder.spend(5_000n);
    const key = { organizationId, postingId: required(postings[0], 'posting') };
    const together = async () => {
      const settled = await Promise.allSettled([drawLoan(world.deps, key), drawLoan(world.deps, key)]);
      const answered = settled.find((each) => each.status === 'fulfilled');
      return required(answered?.status === 'fulfilled' ? answered.value : null, 'an answer of either worker');
    };
    const result = await world.drive(together);
    expect(result.state).toBe('paid_out');
    const [draw] = await holder.rows('loan_draws');
    expect(draw.principal_confirmed).toBe(draw.principal_posted);
    expect((await holder.events()).filter((type) => type === 'loan.drawn')).toHaveLength(1);
    expect((await holder.events()).filter((type) => type === 'sale.paid_out')).toHaveLength(1);
    expect(await holder.openPositions()).toEqual([]);
    await holder.expectSound();
  });

  it('two draws of one account wait for each other and both end drawn', async () => {
    const holder = await borrower();
    const { organizationId } = holder;
    const first = await holder.spend(3_000n);
    const second = await holder.spend(4_000n);
    const keys = [...first.postings, ...second.postings].map((postingId) => ({ organizationId, postingId }));
    await Promise.all(keys.map((key) => world.drive(() => drawLoan(world.deps, key))));
    for (const draw of await holder.rows('loan_draws')) expect(draw.state).toBe('confirmed');
    expect((await holder.state()).loan_unconfirmed).toBe(0n);
    expect(await holder.openPositions()).toEqual([]);
    await holder.expectSound();
  });
});
