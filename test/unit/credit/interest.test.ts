import * as fc from 'fast-check';
import {
  allocateRepayment,
  type DrawDebt,
  drawSharesRoundUp,
  grownSpreadFactorRoundUp,
  planAccrual,
  programIndexRoundUp,
  rateBpsRoundUp,
  remainingSharesRoundUp,
  venueBalanceHalfUp,
} from '../../../services/credit/rules/interest';
import { owedRoundUp, RAY } from '../../../services/credit/rules/loan-to-value';

const indexes = fc.bigInt({ min: RAY, max: 3n * RAY });
const amounts = fc.bigInt({ min: 1n, max: 10n ** 15n });

describe('shares and index', () => {
  it('shares owe what was drawn, or one unit more, at the index they started at', () => {
    fc.assert(
      fc.property(amounts, indexes, (amount, index) => {
        const owed = owedRoundUp(drawSharesRoundUp(amount, index), index);
        // A share is worth up to three units here, so rounding shares up can cost that much.
        expect(owed).toBeGreaterThanOrEqual(amount);
        expect(owed - amount).toBeLessThanOrEqual(index / RAY + 1n);
      }),
    );
  });

  it('what is owed never falls while the index rises', () => {
    fc.assert(
      fc.property(amounts, indexes, fc.bigInt({ min: 0n, max: RAY }), (amount, index, rise) => {
        const shares = drawSharesRoundUp(amount, index);
        expect(owedRoundUp(shares, index + rise)).toBeGreaterThanOrEqual(owedRoundUp(shares, index));
      }),
    );
  });

  it('rounds the program index up', () => {
    expect(programIndexRoundUp(RAY, RAY)).toBe(RAY);
    expect(programIndexRoundUp(RAY + 1n, RAY + 1n)).toBe(RAY + 3n);
  });

  it('rounds a venue balance half up, as rayMul does', () => {
    expect(venueBalanceHalfUp(1n, RAY + RAY / 2n)).toBe(2n);
    expect(venueBalanceHalfUp(1n, RAY + RAY / 2n - 1n)).toBe(1n);
    expect(venueBalanceHalfUp(0n, 2n * RAY)).toBe(0n);
  });

  it('shows a rate rounded up', () => {
    expect(rateBpsRoundUp(RAY / 100n)).toBe(100);
    expect(rateBpsRoundUp(RAY / 100n + 1n)).toBe(101);
  });
});

describe('spread factor', () => {
  it('grows by the spread in a year', () => {
    expect(grownSpreadFactorRoundUp(RAY, 100, 31_536_000n)).toBe(RAY + RAY / 100n);
  });

  it('ignores time that runs backwards', () => {
    expect(grownSpreadFactorRoundUp(RAY, 100, 0n)).toBe(RAY);
    expect(grownSpreadFactorRoundUp(RAY, 100, -5n)).toBe(RAY);
  });

  it('never falls behind when it is stored in between', () => {
    const seconds = fc.bigInt({ min: 0n, max: 100_000_000n });
    fc.assert(
      fc.property(seconds, seconds, fc.integer({ min: 0, max: 5_000 }), (first, second, bps) => {
        const stored = grownSpreadFactorRoundUp(grownSpreadFactorRoundUp(RAY, bps, first), bps, second);
        expect(stored).toBeGreaterThanOrEqual(grownSpreadFactorRoundUp(RAY, bps, first + second));
      }),
    );
  });
});

function draw(drawId: string, shares: bigint, principalOpen: bigint, interestOpen = 0n): DrawDebt {
  return { drawId, shares, principalOpen, interestOpen };
}

describe('accrual', () => {
  it('gives the venue its part and keeps the rest', () => {
    const plan = planAccrual([draw('a', 1_000n, 1_000n), draw('b', 3_000n, 3_000n)], (RAY * 11n) / 10n, 200n);
    expect(plan.draws).toEqual([
      { drawId: 'a', interest: 100n, venuePart: 50n },
      { drawId: 'b', interest: 300n, venuePart: 150n },
    ]);
    expect(plan.expense).toBe(0n);
  });

  it('carries itself what the venue takes above the total', () => {
    const plan = planAccrual([draw('a', 1_000n, 1_000n)], RAY, 7n);
    expect(plan).toEqual({ draws: [{ drawId: 'a', interest: 0n, venuePart: 0n }], expense: 7n });
  });

  it('posts nothing when more is posted than shares owe', () => {
    expect(planAccrual([draw('a', 900n, 1_000n)], RAY, 0n).draws[0]?.interest).toBe(0n);
  });

  it('divides every unit once, and never more than a draw owes', () => {
    const draws = fc.array(fc.tuple(amounts, fc.bigInt({ min: 0n, max: 10n ** 6n })), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(draws, indexes, fc.bigInt({ min: 0n, max: 10n ** 12n }), (some, index, venueInterest) => {
        const debts = some.map(([shares, posted], at) => draw(String(at), shares, shares, posted));
        const plan = planAccrual(debts, index, venueInterest);
        const total = plan.draws.reduce((sum, each) => sum + each.interest, 0n);
        const carried = plan.draws.reduce((sum, each) => sum + each.venuePart, 0n);
        expect(carried + plan.expense).toBe(venueInterest);
        expect(carried).toBe(venueInterest < total ? venueInterest : total);
        for (const each of plan.draws) expect(each.venuePart).toBeLessThanOrEqual(each.interest);
      }),
    );
  });
});

describe('repayment', () => {
  const draws = [
    { drawId: 'old', principalOpen: 100n, interestOpen: 5n },
    { drawId: 'new', principalOpen: 50n, interestOpen: 2n },
  ];

  it('takes the oldest draw first and its interest before its principal', () => {
    expect(allocateRepayment(draws, 4n).parts).toEqual([{ drawId: 'old', interest: 4n, principal: 0n }]);
    expect(allocateRepayment(draws, 30n).parts).toEqual([{ drawId: 'old', interest: 5n, principal: 25n }]);
    expect(allocateRepayment(draws, 106n)).toEqual({
      parts: [
        { drawId: 'old', interest: 5n, principal: 100n },
        { drawId: 'new', interest: 1n, principal: 0n },
      ],
      unused: 0n,
    });
  });

  it('returns what nothing is owed for', () => {
    expect(allocateRepayment(draws, 160n).unused).toBe(3n);
    expect(allocateRepayment([], 9n)).toEqual({ parts: [], unused: 9n });
  });

  it('leaves shares that owe at least what is open, and none when nothing is', () => {
    fc.assert(
      fc.property(amounts, indexes, fc.bigInt({ min: 0n, max: 10n ** 15n }), (amount, index, paid) => {
        const before = drawSharesRoundUp(amount, index);
        const owed = owedRoundUp(before, index);
        const open = paid >= owed ? 0n : owed - paid;
        const after = remainingSharesRoundUp(before, open, index);
        expect(after).toBeLessThanOrEqual(before);
        expect(owedRoundUp(after, index)).toBeGreaterThanOrEqual(open);
        expect(after === 0n).toBe(open === 0n);
      }),
    );
  });
});
