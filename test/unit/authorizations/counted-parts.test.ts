import fc from 'fast-check';
import {
  amountOf,
  type GrantedOnTop,
  partsCounted,
  partsGivenBack,
} from '../../../services/authorizations/rules/counted-parts';

const FIRST = { cardId: 'old', at: new Date('2026-10-30T12:00:00Z') };
const NEXT_MONTH = new Date('2026-11-02T12:00:00Z');

function onTop(cardId: string, totalBefore: bigint, granted: bigint): GrantedOnTop {
  return { cardId, at: NEXT_MONTH, totalBefore, granted };
}

const amounts = (parts: ReturnType<typeof partsCounted>) => parts.map(({ cardId, amount }) => [cardId, amount]);

describe('what is still counted', () => {
  test('is the first approval and what was approved on top', () => {
    expect(amounts(partsCounted(FIRST, [onTop('new', 100n, 50n)], 150n))).toEqual([
      ['old', 100n],
      ['new', 50n],
    ]);
  });

  test('is without what was given back since: what was counted last', () => {
    expect(amounts(partsCounted(FIRST, [onTop('new', 100n, 50n)], 120n))).toEqual([
      ['old', 100n],
      ['new', 20n],
    ]);
    expect(amounts(partsCounted(FIRST, [onTop('new', 100n, 50n)], 90n))).toEqual([['old', 90n]]);
  });

  test('is without what was given back before more was approved', () => {
    expect(amounts(partsCounted(FIRST, [onTop('new', 60n, 50n), onTop('new', 80n, 10n)], 90n))).toEqual([
      ['old', 60n],
      ['new', 20n],
      ['new', 10n],
    ]);
  });

  test('of a purchase that was opened again is what opened it', () => {
    expect(amounts(partsCounted(FIRST, [onTop('new', 0n, 70n)], 70n))).toEqual([['new', 70n]]);
  });

  test('is without what was taken back of it, also where more was approved since', () => {
    const taken = { ...onTop('old', 100n, 50n), takenBack: true };
    expect(amounts(partsCounted(FIRST, [taken, onTop('new', 150n, 30n)], 130n))).toEqual([
      ['old', 100n],
      ['new', 30n],
    ]);
  });

  test('is without a first approval that was taken back', () => {
    expect(amounts(partsCounted(null, [onTop('new', 100n, 50n)], 50n))).toEqual([['new', 50n]]);
  });
});

test('what was counted last is given back first', () => {
  const parts = partsCounted(FIRST, [onTop('new', 100n, 50n)], 150n);
  expect(amounts(partsGivenBack(parts, 50n))).toEqual([['new', 50n]]);
  expect(amounts(partsGivenBack(parts, 51n))).toEqual([
    ['old', 1n],
    ['new', 50n],
  ]);
});

test('all that stands is counted, and all that is given back is of what is counted', () => {
  const message = fc.record({ keptBefore: fc.nat(100), granted: fc.integer({ min: 1, max: 1_000 }) });
  fc.assert(
    fc.property(
      fc.nat(1_000),
      fc.array(message, { maxLength: 5 }),
      fc.nat(100),
      fc.nat(100),
      (first, later, kept, back) => {
        const part = (total: bigint, percent: number) => (total * BigInt(percent)) / 100n;
        let total = BigInt(first);
        const granted = later.map(({ keptBefore, granted: more }) => {
          const totalBefore = part(total, keptBefore);
          total = totalBefore + BigInt(more);
          return onTop('new', totalBefore, BigInt(more));
        });
        const standing = part(total, kept);
        const counted = partsCounted(FIRST, granted, standing);
        expect(amountOf(counted)).toBe(standing);
        const amount = part(standing, back);
        const given = partsGivenBack(counted, amount);
        expect(amountOf(given)).toBe(amount);
        for (const cardId of ['old', 'new']) {
          const of = (parts: typeof counted) => amountOf(parts.filter((each) => each.cardId === cardId));
          expect(of(given)).toBeLessThanOrEqual(of(counted));
        }
      },
    ),
  );
});
