import * as fc from 'fast-check';
import { basisUsdRoundDown, disposeFirstInFirstOut } from '../../../services/taxes/rules/first-in-first-out';

const lots = [
  { lotId: 'first', remaining: 100_000_000n, basisPriceUsdE8: 100_000_000n },
  { lotId: 'second', remaining: 50_000_000n, basisPriceUsdE8: 99_000_000n },
];

describe('disposal, first in first out', () => {
  it('takes the oldest lot first and goes on with the next', () => {
    const parts = disposeFirstInFirstOut(lots, {
      quantity: 120_000_000n,
      proceedsUsd: 12_000n,
      feeUsd: 12n,
      decimals: 6,
    });
    expect(parts).toEqual([
      { lotId: 'first', quantity: 100_000_000n, basisUsd: 10_000n, proceedsUsd: 10_000n, feeUsd: 10n },
      { lotId: 'second', quantity: 20_000_000n, basisUsd: 1_980n, proceedsUsd: 2_000n, feeUsd: 2n },
    ]);
  });

  it('stays in one lot when that is enough', () => {
    const parts = disposeFirstInFirstOut(lots, { quantity: 100_000_000n, proceedsUsd: 1n, feeUsd: 0n, decimals: 6 });
    expect(parts.map((part) => part.lotId)).toEqual(['first']);
  });

  it('gives what no lot is known for a basis of zero', () => {
    const parts = disposeFirstInFirstOut(lots, {
      quantity: 160_000_000n,
      proceedsUsd: 16_000n,
      feeUsd: 0n,
      decimals: 6,
    });
    expect(parts[2]).toEqual({ lotId: null, quantity: 10_000_000n, basisUsd: 0n, proceedsUsd: 1_000n, feeUsd: 0n });
  });

  it('rounds a basis down', () => {
    expect(basisUsdRoundDown(1n, 100_000_000n, 6)).toBe(0n);
    expect(basisUsdRoundDown(19_999n, 100_000_000n, 6)).toBe(1n);
    expect(basisUsdRoundDown(20_000n, 100_000_000n, 6)).toBe(2n);
  });

  it('divides quantity, proceeds and fee without a rest', () => {
    const amount = fc.bigInt({ min: 1n, max: 10n ** 12n });
    fc.assert(
      fc.property(fc.array(amount, { maxLength: 8 }), amount, amount, amount, (some, quantity, proceedsUsd, feeUsd) => {
        const open = some.map((remaining, at) => ({ lotId: String(at), remaining, basisPriceUsdE8: 100_000_000n }));
        const parts = disposeFirstInFirstOut(open, { quantity, proceedsUsd, feeUsd, decimals: 6 });
        const sum = (pick: (part: (typeof parts)[number]) => bigint) =>
          parts.reduce((all, part) => all + pick(part), 0n);
        expect(sum((part) => part.quantity)).toBe(quantity);
        expect(sum((part) => part.proceedsUsd)).toBe(proceedsUsd);
        expect(sum((part) => part.feeUsd)).toBe(feeUsd);
        parts.forEach((part, at) => {
          if (part.lotId !== null) expect(part.quantity).toBeLessThanOrEqual(some[at] ?? 0n);
        });
      }),
    );
  });
});
