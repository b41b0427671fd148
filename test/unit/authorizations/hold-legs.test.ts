import fc from 'fast-check';
import {
  consumeLegs,
  type HeldLeg,
  type HoldChange,
  heldUsd,
  releaseAll,
  releaseBuffers,
  releaseLegs,
} from '../../../services/authorizations/rules/hold-legs';
import { sumBigint } from '../../../services/shared/money';

const leg = (legId: string, leftUsd: bigint, leftAmount: bigint): HeldLeg => ({
  legId,
  kind: 'stablecoin_sale',
  asset: 'USDC',
  holdTransferId: `hold-${legId}`,
  priceUsdE8: 100_000_000n,
  leftAmount,
  leftUsd,
});

const legs = fc
  .array(fc.record({ usd: fc.bigInt(0n, 10_000n), tokens: fc.bigInt(1n, 10n ** 9n) }), { minLength: 1, maxLength: 4 })
  .map((all) => all.map(({ usd, tokens }, n) => leg(`${n}`, usd, tokens)));

/** Nothing is made or lost: what was taken and what is left are what was held, per leg. */
function conserves(before: readonly HeldLeg[], change: HoldChange): void {
  for (const [n, each] of before.entries()) {
    const shares = change.shares.filter((share) => share.legId === each.legId);
    const after = change.left[n];
    expect(after?.legId).toBe(each.legId);
    expect((after?.leftAmount ?? -1n) + sumBigint(shares.map((share) => share.amount))).toBe(each.leftAmount);
    expect((after?.leftUsd ?? -1n) + sumBigint(shares.map((share) => share.amountUsd))).toBe(each.leftUsd);
    expect(after && after.leftAmount >= 0n && after.leftUsd >= 0n).toBe(true);
  }
}

const price = (_leg: HeldLeg, cents: bigint) => cents * 10_000n;

test('a clearing takes from the first leg first, a release from the last', () => {
  const held = [leg('a', 100n, 1_005_000n), leg('b', 50n, 502_500n)];
  const consumed = consumeLegs(held, 120n, price);
  expect(consumed.shares.map((share) => [share.legId, share.amountUsd, share.amount])).toEqual([
    ['a', 100n, 1_000_000n],
    ['b', 20n, 200_000n],
  ]);
  expect(releaseLegs(held, 80n).shares.map((share) => [share.legId, share.amountUsd])).toEqual([
    ['b', 50n],
    ['a', 30n],
  ]);
  expect(releaseBuffers(consumed.left).shares.map((share) => [share.legId, share.amount])).toEqual([['a', 5_000n]]);
});

test('a leg never gives more tokens than it holds, and one without tokens covers nothing', () => {
  const dear = consumeLegs([leg('a', 100n, 900_000n), leg('b', 50n, 502_500n)], 100n, price);
  expect(dear.shares).toMatchObject([{ legId: 'a', amount: 900_000n, amountUsd: 100n }]);
  const empty = consumeLegs([leg('a', 100n, 0n), leg('b', 50n, 502_500n)], 60n, price);
  expect(empty.shares.map((share) => share.legId)).toEqual(['b']);
  expect(empty.uncoveredUsd).toBe(10n);
});

test('a leg whose tokens a fallen price used up holds nothing more, and the cents that it fell short of go back', () => {
  // 90 of its 100 cents, because its tokens reached no further.
  const consumed = consumeLegs([leg('a', 100n, 900_000n), leg('b', 50n, 502_500n)], 95n, price, () => 90n);
  expect(consumed.uncoveredUsd).toBe(0n);
  expect(heldUsd(consumed.left)).toBe(45n);
  const released = releaseBuffers(consumed.left);
  expect(released.shares.map((share) => [share.legId, share.amount, share.amountUsd])).toEqual([['a', 0n, 10n]]);
  expect(released.left.map((each) => each.leftUsd)).toEqual([0n, 45n]);
});

test('whatever is consumed or released, Σ is conserved', () => {
  fc.assert(
    fc.property(legs, fc.bigInt(0n, 60_000n), (held, usd) => {
      const consumed = consumeLegs(held, usd, price);
      conserves(held, consumed);
      expect(sumBigint(consumed.shares.map((share) => share.amountUsd)) + consumed.uncoveredUsd).toBe(usd);
      conserves(consumed.left, releaseLegs(consumed.left, usd / 2n));
      conserves(consumed.left, releaseBuffers(consumed.left));
      const all = releaseAll(consumed.left);
      conserves(consumed.left, all);
      expect(sumBigint(all.left.map((each) => each.leftAmount))).toBe(0n);
      expect(heldUsd(all.left)).toBe(0n);
    }),
  );
});
