import fc from 'fast-check';
import { feeRoundDown, NO_FEE } from '../../../services/authorizations/rules/fees';
import { keptOfFirstHold, releasedByReversal } from '../../../services/authorizations/rules/reversed-hold';

const nothingCleared = { cleared: 0n, charged: 0n };

test('without fees, a reversal frees its share of the hold with its allowance, and all at the end', () => {
  const freed = (held: bigint, outstanding: bigint, reversed: bigint) =>
    releasedByReversal(NO_FEE, { ...nothingCleared, held }, { outstanding, reversed });
  expect(freed(120n, 100n, 50n)).toBe(60n);
  expect(freed(121n, 100n, 50n)).toBe(60n);
  expect(freed(120n, 100n, 100n)).toBe(120n);
  expect(freed(120n, 0n, 0n)).toBe(120n);
});

test('what was not covered goes first: only what the rest does not need is freed', () => {
  const fee = { fixed: 0n, bps: 300 };
  const freed = (reversed: bigint) =>
    releasedByReversal(fee, { ...nothingCleared, held: 50_000n }, { outstanding: 70_000n, reversed });
  expect(freed(10_000n)).toBe(0n);
  // 485.44 and its fee are the 500.00 that are held.
  expect(freed(21_456n)).toBe(0n);
  expect(freed(21_600n)).toBe(148n);
  expect(freed(70_000n)).toBe(50_000n);
  const fixed = { fixed: 300n, bps: 0 };
  expect(releasedByReversal(fixed, { ...nothingCleared, held: 200n }, { outstanding: 500n, reversed: 100n })).toBe(0n);
});

const terms = fc.record({ fixed: fc.bigInt(0n, 5_000n), bps: fc.integer({ min: 0, max: 3_000 }) });
const cents = fc.bigInt(0n, 10n ** 7n);

test('after it, the hold is what is left and the fee that clearing that will bring, to the cent', () => {
  fc.assert(
    fc.property(terms, cents, cents, cents, (fee, cleared, approved, given) => {
      const outstanding = approved + 1n;
      const reversed = given % outstanding;
      const charged = feeRoundDown(fee, cleared);
      const holdFor = (amount: bigint) => amount + feeRoundDown(fee, cleared + amount) - charged;
      const held = holdFor(outstanding);
      const left = outstanding - reversed;
      const freed = releasedByReversal(fee, { held, cleared, charged }, { outstanding, reversed });
      expect(held - freed).toBe(holdFor(left));
    }),
  );
});

test('whatever is held, no more is freed than that, and nothing is lacking that a smaller reversal would have left', () => {
  fc.assert(
    fc.property(
      terms,
      cents,
      cents,
      cents,
      fc.bigInt(1n, 10n ** 7n),
      cents,
      (fee, held, cleared, charged, outstanding, given) => {
        const reversed = given % (outstanding + 1n);
        const freed = (amount: bigint) =>
          releasedByReversal(fee, { held, cleared, charged }, { outstanding, reversed: amount });
        expect(freed(reversed) >= 0n && freed(reversed) <= held).toBe(true);
        if (reversed > 0n) expect(freed(reversed - 1n) <= freed(reversed)).toBe(true);
      },
    ),
  );
});

test('the fixed fee that was held with the first message stays for what came on top, until it is charged', () => {
  expect(keptOfFirstHold({ fixed: 250n, bps: 100 }, 20_450n, 0n)).toBe(250n);
  expect(keptOfFirstHold({ fixed: 250n, bps: 100 }, 20_450n, 350n)).toBe(0n);
  expect(keptOfFirstHold({ fixed: 250n, bps: 100 }, 100n, 0n)).toBe(100n);
  expect(keptOfFirstHold(NO_FEE, 20_450n, 0n)).toBe(0n);
});
