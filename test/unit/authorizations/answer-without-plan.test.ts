import fc from 'fast-check';
import { amendmentOf } from '../../../services/authorizations/rules/amendment';
import { amendmentReceiptText } from '../../../services/authorizations/rules/amendment-receipt';
import {
  givenBackBy,
  latenessOf,
  NOTHING_MORE,
  TOO_LATE,
} from '../../../services/authorizations/rules/answer-without-plan';
import { decideAuthorization } from '../../../services/authorizations/rules/decide-authorization';
import { marketRecord, type Receipt } from '../../../services/authorizations/rules/receipt';
import { replay } from '../../../services/authorizations/rules/replay';
import { NOW, requestOf, snapshotOf } from '../../builders/snapshots';

const at = (ms: number) => new Date(NOW.getTime() + ms);

test.each([
  ['at the last millisecond', { occurredAt: at(-100), respondBy: at(0), advisedAt: null }, null],
  ['a millisecond later', { occurredAt: at(-100), respondBy: at(-1), advisedAt: null }, 'time_passed'],
  ['asked when the last total was told', { occurredAt: at(-100), respondBy: at(0), advisedAt: at(-100) }, null],
  ['asked just before it', { occurredAt: at(-100), respondBy: at(0), advisedAt: at(-99) }, 'overtaken'],
  ['both', { occurredAt: at(-100), respondBy: at(-1), advisedAt: at(-99) }, 'overtaken'],
] as const)('%s', (_name, times, lateness) => {
  expect(latenessOf(times, NOW)).toBe(lateness);
});

test.each([
  [9_999n, 0n, 1n],
  [10_000n, 0n, 0n],
  [10_001n, 0n, null],
  [4_001n, 4_000n, 5_999n],
  [4_000n, 4_000n, 6_000n],
  [3_999n, 4_000n, 6_000n],
])('of 100.00 a total of %s with %s cleared gives back %s', (told, cleared, givenBack) => {
  const standing = {
    state: cleared === 0n ? 'pending' : 'partially_cleared',
    approved: 10_000n,
    reversed: 0n,
  } as const;
  expect(givenBackBy({ standing: { ...standing, cleared }, told })).toBe(givenBack);
});

test('what is given back is never more than what was left to be cleared, and nothing of what has ended', () => {
  const states = fc.constantFrom('declined', 'pending', 'partially_cleared', 'cleared', 'reversed', 'expired');
  const cents = fc.bigInt(0n, 100_000n);
  fc.assert(
    fc.property(states, cents, cents, cents, cents, (state, approved, cleared, given, told) => {
      const reversed = given > approved ? approved : given;
      const standing = { state, approved, cleared, reversed } as const;
      const { total } = amendmentOf(standing, told, 'total');
      const givenBack = givenBackBy({ standing, told });
      if (givenBack === null) {
        expect(told).toBeGreaterThan(total);
        return;
      }
      expect(givenBack).toBe(total - (told > cleared ? told : cleared));
      const open = state === 'pending' || state === 'partially_cleared';
      const left = approved - reversed - cleared;
      expect(givenBack).toBeLessThanOrEqual(open && left > 0n ? left : 0n);
    }),
  );
});

describe('taken again', () => {
  const snapshot = snapshotOf();
  const market = marketRecord(snapshot);
  const standing = { state: 'pending', approved: 10_000n, cleared: 0n, reversed: 0n } as const;
  const purchase = { total: 10_000n, begunAt: NOW, open: true, fixedFeeHeld: true, channel: 'chip', taken: [] };

  function differencesOf(
    decision: typeof TOO_LATE,
    facts: Parameters<typeof amendmentReceiptText>[2]['facts'],
    amount = 0n,
  ): readonly string[] {
    const text = amendmentReceiptText(
      { amendmentId: 'amendment', authorizationId: 'authorization', contentHash: 'hash' },
      purchase,
      { snapshot, request: requestOf(amount), decision, facts, now: NOW, marketHash: 'market' },
    );
    return replay(JSON.parse(text) as Receipt, market, snapshot.policy).differences.map(({ field }) => field);
  }

  const late = { occurredAt: at(-100), respondBy: at(-1), advisedAt: null };

  test('they are the same', () => {
    expect(differencesOf(TOO_LATE, { late }, 5_000n)).toEqual([]);
    expect(differencesOf(NOTHING_MORE, { total: { standing, told: 9_999n, givenBack: 1n } })).toEqual([]);
    expect(differencesOf(NOTHING_MORE, { total: { standing, told: 10_000n, givenBack: 0n } })).toEqual([]);
  });

  test('a decline as late of what was in time is not', () => {
    expect(differencesOf(TOO_LATE, { late: { ...late, respondBy: NOW } }, 5_000n)).toContain('result');
  });

  test('nor is an approval of what came too late', () => {
    const more = decideAuthorization(
      { ...snapshot, increment: { approvedBefore: 10_000n, since: NOW, channel: 'chip' } },
      requestOf(5_000n),
      NOW,
    );
    expect(more.outcome).toBe('approved');
    expect(differencesOf(more, {}, 5_000n)).toEqual([]);
    expect(differencesOf(more, { late }, 5_000n)).toContain('result');
  });

  test('nor is a total that was more, or gave back something else', () => {
    expect(differencesOf(NOTHING_MORE, { total: { standing, told: 10_001n, givenBack: 0n } })).toContain('given_back');
    expect(differencesOf(NOTHING_MORE, { total: { standing, told: 9_999n, givenBack: 2n } })).toEqual(['given_back']);
    const given = { ...standing, reversed: 1n };
    expect(differencesOf(NOTHING_MORE, { total: { standing: given, told: 9_998n, givenBack: 1n } })).toEqual([
      'total before',
    ]);
  });
});
