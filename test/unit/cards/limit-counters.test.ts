import fc from 'fast-check';
import { recentUnder } from '../../../services/cards/rules/evaluate-controls';
import {
  countAuthorization,
  countersNow,
  countersToStored,
  countIncrement,
  countPurchase,
  giveBack,
  keepCounters,
  type LimitCounters,
  type Remembered,
  type StoredLimitCounters,
} from '../../../services/cards/rules/limit-counters';
import { WINDOW_KINDS, windowStarts } from '../../../services/cards/rules/limit-windows';

const MONDAY = new Date('2026-11-16T12:00:00Z');
const TUESDAY = new Date('2026-11-17T12:00:00Z');
const UTC = 'Etc/UTC';
const SHOP = { mcc: '5411', merchantId: 'shop' };
const NOTHING: Remembered = { velocity: null, merchantLock: false, odometer: null };

function given(amount: bigint, wholly: boolean, counted = amount) {
  return { amount, wholly, counted };
}

/** Stored and read again at a later time, as between two messages. */
function later(counters: LimitCounters, now: Date, zone = UTC): LimitCounters {
  return countersNow(JSON.parse(JSON.stringify(countersToStored(counters))) as StoredLimitCounters, now, zone);
}

describe('windows', () => {
  test('a new day begins at nothing while the week goes on', () => {
    const now = later(countAuthorization(countersNow(null, MONDAY, UTC), 500n), TUESDAY);
    expect(now.day).toMatchObject({ amount: 0n, count: 0 });
    expect(now.week).toMatchObject({ amount: 500n, count: 1 });
  });

  test('a reversal gives back to the windows that counted it, and to no other', () => {
    const monday = countAuthorization(countersNow(null, MONDAY, UTC), 500n);
    const tuesday = countAuthorization(later(monday, TUESDAY), 300n);
    const after = giveBack(tuesday, { at: MONDAY, ...SHOP }, given(500n, true));
    expect(after.day).toMatchObject({ amount: 300n, count: 1 });
    expect(after.week).toMatchObject({ amount: 300n, count: 1 });
  });

  test('a partial reversal gives back the amount and keeps the count', () => {
    const counted = countAuthorization(countersNow(null, MONDAY, UTC), 500n);
    expect(giveBack(counted, { at: MONDAY, ...SHOP }, given(200n, false)).day).toMatchObject({
      amount: 300n,
      count: 1,
    });
  });

  test('a purchase counts where it was opened again, and nowhere else, when all of it is given back', () => {
    const tuesday = countAuthorization(later(countAuthorization(countersNow(null, MONDAY, UTC), 500n), TUESDAY), 700n);
    const parts = [{ at: TUESDAY, amount: 300n }];
    const monday = { at: MONDAY, ...SHOP };
    const increments = giveBack(tuesday, monday, { ...given(300n, true), parts });
    expect([increments.day.count, increments.week.count]).toEqual([1, 1]);
    const opened = giveBack(tuesday, monday, { ...given(300n, true), parts, countedSince: TUESDAY });
    expect([opened.day.count, opened.week.count]).toEqual([0, 1]);
  });

  test('what was counted in parts goes back to the windows of each part', () => {
    const monday = countAuthorization(countersNow(null, MONDAY, UTC), 500n);
    const more = countIncrement(later(monday, TUESDAY), { at: MONDAY, ...SHOP }, 200n);
    const parts = [
      { at: MONDAY, amount: 500n },
      { at: TUESDAY, amount: 200n },
    ];
    const after = giveBack(more, { at: MONDAY, ...SHOP }, { ...given(700n, true), parts });
    expect(after.day).toMatchObject({ amount: 0n, count: 0 });
    expect(after.week).toMatchObject({ amount: 0n, count: 0 });
  });

  test('an increment adds an amount to the windows open now, and no purchase', () => {
    const monday = countAuthorization(countersNow(null, MONDAY, UTC), 500n);
    const more = countIncrement(later(monday, TUESDAY), { at: MONDAY, ...SHOP }, 200n);
    expect(more.day).toMatchObject({ amount: 200n, count: 0 });
    expect(more.week).toMatchObject({ amount: 700n, count: 1 });
  });

  test('storing and reading changes nothing', () => {
    const counted = countPurchase(countersNow(null, MONDAY, 'Asia/Tokyo'), { at: MONDAY, ...SHOP }, 123n, {
      velocity: () => true,
      merchantLock: true,
      odometer: 100_000n,
    });
    expect(later(counted, MONDAY, 'Asia/Tokyo')).toEqual(counted);
  });

  test('counters written before they were made compact are read as they were meant', () => {
    const window = (start: string) => ({ start, amount: '700', count: 2 });
    const stored = {
      day: window('2026-11-16T00:00:00.000Z'),
      week: window('2026-11-16T00:00:00.000Z'),
      month: window('2026-11-01T00:00:00.000Z'),
      year: window('2026-01-01T00:00:00.000Z'),
      all_time: window('1970-01-01T00:00:00.000Z'),
    };
    const now = countersNow(stored, TUESDAY, UTC);
    expect(now.day).toMatchObject({ amount: 0n, count: 0 });
    for (const kind of ['week', 'month', 'year', 'all_time'] as const) {
      expect(now[kind]).toMatchObject({ amount: 700n, count: 2 });
    }
    expect(now).toMatchObject({ recent: [], lock: null, odometer: null });
  });
});

describe('counters that are kept', () => {
  const zone = fc.constantFrom('America/New_York', 'Europe/Berlin', 'Asia/Kathmandu', UTC);
  const step = fc.record({
    zone,
    waitMs: fc.oneof(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 0, max: 40 * 86_400_000 })),
    amount: fc.bigInt({ min: 1n, max: 10n ** 20n }),
    merchantLock: fc.boolean(),
    odometer: fc.option(fc.bigInt({ min: 0n, max: 10n ** 6n })),
    velocity: fc.option(fc.constant(() => true)),
    /** More of a purchase of before, or that opened again. */
    kind: fc.constantFrom('first', 'more', 'again'),
  });

  test('read at every moment and in every zone as those that were stored', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        let at = MONDAY;
        let counters: LimitCounters | null = null;
        let kept: StoredLimitCounters | null = null;
        for (const { zone: timeZone, waitMs, amount, kind, ...remembered } of steps) {
          at = new Date(at.getTime() + waitMs);
          const before: LimitCounters = countersNow(kept, at, timeZone);
          if (counters !== null) expect(before).toEqual(later(counters, at, timeZone));
          const purchase = kind === 'first' ? { at, ...SHOP } : { at: MONDAY, countedAt: at, ...SHOP };
          counters =
            kind === 'more'
              ? countIncrement(before, purchase, amount, remembered.velocity)
              : countPurchase(before, purchase, amount, remembered);
          kept = keepCounters(kept, counters);
          const stored = countersToStored(counters);
          expect(JSON.stringify(kept)).toBe(JSON.stringify(stored));
          for (const field of [...WINDOW_KINDS, 'zone', 'recent', 'lock', 'odometer'] as const) {
            expect(kept[field]).toEqual(stored[field]);
          }
        }
      }),
    );
  });

  test('take the figures of what replaces them, and no others', () => {
    const once = countAuthorization(countersNow(null, MONDAY, UTC), 500n);
    const kept = keepCounters(null, once);
    const read = countersNow(kept, MONDAY, UTC);
    expect(keepCounters(kept, countAuthorization(read, 200n))).toBe(kept);
    // What was read before stays what it was: a receipt is written of it.
    expect(read).toEqual(once);
    expect(countersNow(kept, MONDAY, UTC).day).toMatchObject({ amount: 700n, count: 2 });
    expect(keepCounters(countersToStored(once), once)).not.toBe(kept);
  });

  test('hold what 64 bits hold, and are not cut above it', () => {
    const empty = countersNow(null, MONDAY, UTC);
    const most = countAuthorization(empty, 2n ** 63n - 1n);
    const kept = keepCounters(null, most);
    expect(keepCounters(kept, most)).toBe(kept);
    expect(countersNow(kept, MONDAY, UTC)).toEqual(most);
    const more = countAuthorization(most, 1n);
    const stored = keepCounters(kept, more);
    expect(stored).not.toBe(kept);
    expect(countersNow(stored, MONDAY, UTC)).toEqual(more);
  });

  test('are read as long as their windows are open, and not a moment longer', () => {
    const kept = keepCounters(null, countAuthorization(countersNow(null, MONDAY, UTC), 500n));
    expect(countersNow(kept, new Date('2026-11-16T23:59:59.999Z'), UTC).day.amount).toBe(500n);
    expect(countersNow(kept, new Date('2026-11-17T00:00:00Z'), UTC).day.amount).toBe(0n);
  });
});

describe('a change of zone', () => {
  // 23:30 on Monday in Berlin: its day ends at 23:00Z, New York's at 05:00Z.
  const before = new Date('2026-11-16T22:30:00Z');
  const spent = countAuthorization(countersNow(null, before, 'Europe/Berlin'), 500n);

  test.each([
    ['in the last millisecond of the old day', '2026-11-16T22:59:59.999Z', 500n],
    ['when the old day is over and New York still has it', '2026-11-16T23:00:00.000Z', 500n],
    ['in its last millisecond there', '2026-11-17T04:59:59.999Z', 500n],
    ['when it is over in both', '2026-11-17T05:00:00.000Z', 0n],
  ])('what is spent goes on counting while it is the same day in either zone: %s', (_, now, amount) => {
    expect(later(spent, new Date(now), 'America/New_York').day.amount).toBe(amount);
  });

  test('the day after it follows the new zone', () => {
    const first = countAuthorization(later(spent, new Date('2026-11-16T23:30:00Z'), 'America/New_York'), 100n);
    expect(later(first, new Date('2026-11-17T04:59:59.999Z'), 'America/New_York').day.amount).toBe(600n);
    expect(later(first, new Date('2026-11-17T05:00:00.000Z'), 'America/New_York').day.amount).toBe(0n);
  });

  test('moving to and fro never opens a window anew', () => {
    let counters = spent;
    for (const zone of ['America/New_York', 'Asia/Tokyo', 'Pacific/Auckland', 'Europe/Berlin']) {
      counters = later(counters, before, zone);
      expect(counters.day.amount).toBe(500n);
    }
  });

  test('a move to the west gives no second year', () => {
    // Kiritimati's 2026 ends at 10:00Z, Pago Pago's at 11:00Z the day after.
    const kiritimati = countersNow(null, new Date('2026-12-31T09:59:00Z'), 'Pacific/Kiritimati');
    const year = countAuthorization(kiritimati, 500n);
    const moved = later(year, new Date('2026-12-31T10:01:00Z'), 'Pacific/Pago_Pago');
    for (const kind of WINDOW_KINDS) expect(moved[kind]).toMatchObject({ amount: 500n, count: 1 });
    const after = later(moved, new Date('2027-01-01T11:00:00Z'), 'Pacific/Pago_Pago');
    expect([after.day.amount, after.month.amount, after.year.amount]).toEqual([0n, 0n, 0n]);
  });

  test('a move to the east takes a part of the next day, and nothing of the next month', () => {
    const november = countAuthorization(countersNow(null, new Date('2026-11-30T22:30:00Z'), 'Europe/Berlin'), 500n);
    // Berlin's November ends at 23:00Z, Tokyo's December began at 15:00Z.
    const moved = later(november, new Date('2026-11-30T23:00:00Z'), 'Asia/Tokyo');
    expect([moved.day.amount, moved.month.amount]).toEqual([500n, 0n]);
    // What was spent in November is not given back to December, in which it was not counted.
    const back = giveBack(
      countAuthorization(moved, 70n),
      { at: new Date('2026-11-30T22:30:00Z'), ...SHOP },
      given(50n, false),
    );
    expect([back.day.amount, back.month.amount]).toEqual([520n, 70n]);
    expect(later(moved, new Date('2026-12-01T15:00:00Z'), 'Asia/Tokyo').day.amount).toBe(0n);
  });

  // Spread over the whole clock; none changes it in these days.
  const zones = [
    'Pacific/Kiritimati',
    'Pacific/Auckland',
    'Australia/Sydney',
    'Asia/Tokyo',
    'Asia/Singapore',
    'Asia/Bangkok',
    'Asia/Kathmandu',
    'Asia/Karachi',
    'Asia/Dubai',
    'Europe/Moscow',
    'Europe/Athens',
    'Europe/Berlin',
    'Europe/London',
    'Atlantic/Azores',
    'America/Noronha',
    'America/Sao_Paulo',
    'America/New_York',
    'America/Denver',
    'America/Anchorage',
    'Pacific/Honolulu',
    'Pacific/Pago_Pago',
  ];
  const DAY_MS = 86_400_000;
  const HOUR_MS = 3_600_000;

  /** Spends what the day limit leaves at each of these moments in these zones; the most that was spent in any 24 hours. */
  function mostInADay(hops: readonly { readonly at: number; readonly zone: string }[], limit: bigint): bigint {
    const purchases: { at: number; amount: bigint }[] = [];
    let counters: LimitCounters | null = null;
    for (const { at, zone } of hops) {
      const now = new Date(at);
      const open: LimitCounters = counters === null ? countersNow(null, now, zone) : later(counters, now, zone);
      const room = limit - open.day.amount;
      if (room <= 0n) continue;
      purchases.push({ at, amount: room });
      counters = countAuthorization(open, room);
    }
    const until = purchases.map(({ at }) =>
      purchases.filter((each) => each.at > at - DAY_MS && each.at <= at).reduce((sum, { amount }) => sum + amount, 0n),
    );
    return until.reduce((most, sum) => (sum > most ? sum : most), 0n);
  }

  test('a zone further west at each midnight gives no fresh day an hour', () => {
    const hops = zones.slice(3, 16).map((zone, hour) => ({ at: Date.UTC(2026, 10, 20, 14 + hour, 1), zone }));
    expect(mostInADay(hops, 500n)).toBe(500n);
  });

  test('no sequence of moves lets more than two limits of a day through in 24 hours', () => {
    const hop = fc.record({
      zone: fc.constantFrom(...zones),
      // Also at the very midnights, which all lie on quarters of an hour.
      waitMs: fc.oneof(
        fc.integer({ min: 0, max: 30 * HOUR_MS }),
        fc.integer({ min: 0, max: 8 }).map((quarters) => (quarters * HOUR_MS) / 4),
        fc.integer({ min: 0, max: 30 }).map((hours) => hours * HOUR_MS),
      ),
    });
    fc.assert(
      fc.property(fc.array(hop, { minLength: 2, maxLength: 40 }), (walk) => {
        let at = Date.UTC(2026, 10, 16, 9);
        const hops = walk.map(({ zone, waitMs }) => {
          at += waitMs;
          return { at, zone };
        });
        expect(mostInADay(hops, 500n) <= 1_000n).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('a reversal is given back to the window that the old zone left open', () => {
    const moved = later(spent, new Date('2026-11-16T22:45:00Z'), 'Asia/Tokyo');
    expect(giveBack(moved, { at: before, ...SHOP }, given(500n, true)).day).toMatchObject({ amount: 0n, count: 0 });
  });
});

describe('what is remembered of a purchase', () => {
  const purchase = (seconds: number) => ({ at: new Date(MONDAY.getTime() + seconds * 1_000), ...SHOP });
  const empty = countersNow(null, MONDAY, UTC);
  const hour: Remembered = { ...NOTHING, velocity: (ageMs) => ageMs < 3_600_000 };

  test('purchases are kept as long as a rule asks for them, and not at all when none does', () => {
    const one = countPurchase(empty, purchase(0), 100n, hour);
    const two = countPurchase(one, purchase(3_599.999), 100n, hour);
    expect(two.recent).toHaveLength(2);
    expect(countPurchase(one, purchase(3_600), 100n, hour).recent).toHaveLength(1);
    expect(countPurchase(two, purchase(3_600), 100n, NOTHING).recent).toEqual([]);
  });

  test('one that is taken back is no longer asked for, and of two at one time the right one goes', () => {
    const both = countPurchase(countPurchase(empty, purchase(0), 100n, hour), purchase(0), 250n, hour);
    expect(giveBack(both, purchase(0), given(250n, true)).recent.map(({ amount }) => amount)).toEqual([100n]);
    expect(giveBack(both, purchase(0), given(50n, false, 250n)).recent.map(({ amount }) => amount)).toEqual([
      100n,
      200n,
    ]);
    expect(giveBack(both, purchase(1), given(100n, true)).recent).toHaveLength(2);
  });

  test('more of a purchase is spent when it is asked for, and is no purchase', () => {
    const first = countPurchase(empty, purchase(0), 100n, hour);
    const more = countIncrement(first, { ...purchase(0), countedAt: purchase(3_000).at }, 40n, hour.velocity);
    expect(more.recent).toEqual([
      { at: purchase(0).at.getTime(), amount: 100n, mcc: '5411', begunAt: purchase(0).at.getTime(), onTop: false },
      { at: purchase(3_000).at.getTime(), amount: 40n, mcc: '5411', begunAt: purchase(0).at.getTime(), onTop: true },
    ]);
    // The purchase is an hour old, what came on top is not.
    const next = countPurchase(more, purchase(3_600), 7n, hour);
    expect(next.recent.map(({ amount }) => amount)).toEqual([40n, 7n]);
    expect(later(next, purchase(3_600).at)).toEqual(next);
    expect(later(next, purchase(3_600).at).recent.map(({ onTop }) => onTop)).toEqual([true, false]);
    expect(countIncrement(first, purchase(0), 40n).recent).toEqual(first.recent);
    expect(countIncrement(first, purchase(0), 40n, () => false).recent).toEqual([]);
  });

  test('a purchase that is opened again is one of that moment, and is found by when it was put on record', () => {
    const again = countPurchase(empty, { ...purchase(0), countedAt: purchase(86_400).at }, 100n, hour);
    const next = countPurchase(again, purchase(86_401), 7n, hour);
    expect(next.recent.map(({ amount }) => amount)).toEqual([100n, 7n]);
    expect(later(next, purchase(86_401).at)).toMatchObject({ recent: next.recent });
    expect(giveBack(next, purchase(0), given(100n, true)).recent.map(({ amount }) => amount)).toEqual([7n]);
  });

  test('what came on top is given back to where it was counted, and of a whole purchase nothing is left', () => {
    const on = (counters: LimitCounters, seconds: number, amount: bigint) =>
      countIncrement(counters, { ...purchase(0), countedAt: purchase(seconds).at }, amount, hour.velocity);
    const amounts = (counters: LimitCounters) => counters.recent.map(({ amount }) => amount);
    const other = countPurchase(empty, purchase(0), 5n, hour);
    const all = on(on(countPurchase(other, purchase(0), 100n, hour), 60, 40n), 120, 20n);
    expect(amounts(all)).toEqual([5n, 100n, 40n, 20n]);
    const back = (amount: bigint, parts?: readonly { at: Date; amount: bigint }[]) =>
      amounts(giveBack(all, purchase(0), { amount, counted: 160n, wholly: false, ...(parts ? { parts } : {}) }));
    expect(back(10n, [{ at: purchase(60).at, amount: 10n }])).toEqual([5n, 100n, 30n, 20n]);
    expect(back(40n, [{ at: purchase(60).at, amount: 40n }])).toEqual([5n, 100n, 20n]);
    expect(back(3n, [{ at: purchase(30).at, amount: 3n }])).toEqual([5n, 100n, 40n, 20n]);
    // Where the parts are not known, what was counted last goes first.
    expect(back(25n)).toEqual([5n, 100n, 35n]);
    expect(back(70n)).toEqual([5n, 90n]);
    expect(amounts(giveBack(all, purchase(0), given(160n, true)))).toEqual([5n]);
    expect(amounts(giveBack(all, purchase(1), given(160n, true)))).toHaveLength(4);
  });

  test('rows of before more of a purchase was an entry of its own are read as they were meant', () => {
    const at = purchase(0).at.getTime();
    const stored = { ...countersToStored(empty), recent: [[at, '140', '5411'] as const] };
    const read = countersNow(stored, MONDAY, UTC);
    expect(read.recent).toEqual([{ at, amount: 140n, mcc: '5411', begunAt: at, onTop: false }]);
    expect(countersToStored(read)).toEqual(stored);
    expect(giveBack(read, purchase(0), given(140n, true)).recent).toEqual([]);
  });

  test('however often more is asked for, few entries are kept, and none counts longer than it should by much', () => {
    let counters = countPurchase(empty, purchase(0), 1n, hour);
    let most = 0;
    for (let second = 1; second <= 6_000; second += 1) {
      counters = countIncrement(counters, { ...purchase(0), countedAt: purchase(second).at }, 1n, hour.velocity);
      most = Math.max(most, counters.recent.length);
    }
    expect(most).toBeLessThanOrEqual(101);
    const sum = counters.recent.reduce((total, { amount }) => total + amount, 0n);
    expect(sum).toBeGreaterThanOrEqual(3_600n);
    expect(sum).toBeLessThan(3_800n);
  });

  test('velocity finds what was spent within its window, whatever purchase it was spent on', () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: 2_000_000 }),
      amount: fc.bigInt({ min: 1n, max: 1_000n }),
      kind: fc.constantFrom('purchase', 'more', 'again', 'part', 'whole'),
      of: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model: { at: Date; parts: { at: Date; amount: bigint; counts: boolean }[] }[] = [];
        let counters = empty;
        let now = MONDAY;
        for (const { waitMs, amount, kind, of } of steps) {
          now = new Date(now.getTime() + waitMs + 1);
          counters = later(counters, now);
          const known = model[of % Math.max(model.length, 1)];
          const standing = known?.parts.filter((part) => part.amount > 0n) ?? [];
          const last = standing.at(-1);
          if (kind === 'purchase' || known === undefined) {
            counters = countPurchase(counters, { at: now, ...SHOP }, amount, hour);
            model.push({ at: now, parts: [{ at: now, amount, counts: true }] });
          } else if (kind === 'more') {
            counters = countIncrement(counters, { at: known.at, countedAt: now, ...SHOP }, amount, hour.velocity);
            known.parts.push({ at: now, amount, counts: false });
          } else if (kind === 'again') {
            counters = countPurchase(counters, { at: known.at, countedAt: now, ...SHOP }, amount, hour);
            known.parts.push({ at: now, amount, counts: true });
          } else if (last) {
            const wholly = kind === 'whole';
            const taken = wholly ? standing : [last];
            const counted = standing.reduce((sum, part) => sum + part.amount, 0n);
            const parts = taken.map((part) => ({ at: part.at, amount: wholly ? part.amount : part.amount / 2n }));
            const given = parts.reduce((sum, part) => sum + part.amount, 0n);
            counters = giveBack(counters, { at: known.at, ...SHOP }, { amount: given, parts, counted, wholly });
            for (const [index, part] of taken.entries()) part.amount -= parts[index]?.amount ?? 0n;
            if (wholly) known.parts = [];
          }
          const within = model
            .flatMap(({ parts }) => parts)
            .filter(({ at }) => now.getTime() - at.getTime() < 3_600_000);
          const found = recentUnder({ window_seconds: 3_600, max_count: 1, per: 'card' }, counters, now);
          expect(found.amount).toBe(within.reduce((sum, part) => sum + part.amount, 0n));
          expect(found.count).toBe(within.filter(({ counts }) => counts).length);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a lock opens when the last purchase made under it is taken back as a whole', () => {
    const locked: Remembered = { ...NOTHING, merchantLock: true };
    const one = countPurchase(empty, purchase(0), 100n, locked);
    const two = countPurchase(one, purchase(1), 100n, locked);
    expect(two.lock).toMatchObject({ merchantId: 'shop', count: 2 });
    const back = giveBack(two, purchase(0), given(100n, true));
    expect(back.lock).toMatchObject({ merchantId: 'shop', count: 1 });
    expect(giveBack(back, purchase(1), given(40n, false)).lock).not.toBeNull();
    expect(giveBack(back, purchase(1), given(100n, true)).lock).toBeNull();
  });

  test('a purchase at another merchant, let through by the network, neither takes the lock nor keeps it', () => {
    const locked: Remembered = { ...NOTHING, merchantLock: true };
    const elsewhere = { ...purchase(1), merchantId: 'elsewhere' };
    const both = countPurchase(countPurchase(empty, purchase(0), 100n, locked), elsewhere, 70n, locked);
    expect(both.lock).toMatchObject({ merchantId: 'shop', count: 1 });
    expect(giveBack(both, elsewhere, given(70n, true)).lock).toMatchObject({ merchantId: 'shop', count: 1 });
    expect(giveBack(both, purchase(0), given(100n, true)).lock).toBeNull();
  });

  test('a purchase from before the lock does not open it', () => {
    const before = countPurchase(empty, purchase(0), 100n, NOTHING);
    const one = countPurchase(before, purchase(1), 100n, { ...NOTHING, merchantLock: true });
    expect(giveBack(one, purchase(0), given(100n, true)).lock).toMatchObject({ count: 1 });
  });

  test('an odometer goes back to the reading before when its purchase is taken back, and only then', () => {
    const first = countPurchase(empty, purchase(0), 100n, { ...NOTHING, odometer: 1_000n });
    const second = countPurchase(first, purchase(60), 100n, { ...NOTHING, odometer: 9_999n });
    expect(giveBack(second, purchase(60), given(100n, true)).odometer).toMatchObject({ value: 1_000n });
    expect(giveBack(second, purchase(60), given(10n, false)).odometer).toMatchObject({ value: 9_999n });
    expect(giveBack(second, purchase(0), given(100n, true)).odometer).toMatchObject({ value: 9_999n });
    expect(countPurchase(second, purchase(90), 100n, NOTHING).odometer).toMatchObject({ value: 9_999n });
  });

  test('whichever fills are taken back, in whatever order, the newest that stands is what is compared next', () => {
    const fill = (counters: LimitCounters, minute: number, odometer: bigint) =>
      countPurchase(counters, purchase(minute * 60), 100n, { ...NOTHING, odometer });
    const takeBack = (counters: LimitCounters, ...minutes: number[]) =>
      minutes.reduce((left, minute) => giveBack(left, purchase(minute * 60), given(100n, true)), counters);
    const three = fill(fill(fill(empty, 1, 1_000n), 2, 1_100n), 3, 1_200n);
    const last = (counters: LimitCounters) => later(counters, MONDAY).odometer?.value;
    expect(last(takeBack(three, 3, 2))).toBe(1_000n);
    // One in between that was typed wrong is not returned to.
    expect(last(takeBack(three, 2))).toBe(1_200n);
    expect(last(takeBack(three, 2, 3))).toBe(1_000n);
    expect(takeBack(three, 1, 2, 3).odometer).toBeNull();
    expect(last(takeBack(fill(takeBack(three, 2), 4, 1_300n), 4, 3))).toBe(1_000n);
    // Five are kept.
    const seven = [4, 5, 6, 7].reduce((left, minute) => fill(left, minute, 1_000n + BigInt(minute)), three);
    expect(last(takeBack(seven, 7, 6, 5, 4))).toBe(1_200n);
    expect(takeBack(seven, 7, 6, 5, 4, 3).odometer).toBeNull();
  });

  test('a reading of a purchase that was opened again is of that moment, and goes with it', () => {
    const again = { ...purchase(0), countedAt: purchase(86_400).at };
    const read = countPurchase(empty, again, 100n, { ...NOTHING, odometer: 1_000n });
    expect(read.odometer).toMatchObject({ at: again.countedAt.getTime() });
    const parts = [{ at: again.countedAt, amount: 100n }];
    expect(giveBack(read, purchase(0), { ...given(100n, true), parts }).odometer).toBeNull();
  });

  test('odometers that were stored with one reading before are read as they were meant', () => {
    const windows = countersToStored(empty);
    const read = (odometer: NonNullable<StoredLimitCounters['odometer']>) =>
      countersNow({ ...windows, odometer }, MONDAY, UTC);
    expect(read([5, '900']).odometer).toEqual({ at: 5, value: 900n, before: [] });
    const two = read([7, '1000', 5, '900']);
    expect(two.odometer).toEqual({ at: 7, value: 1_000n, before: [{ at: 5, value: 900n }] });
    expect(countersToStored(two).odometer).toEqual([7, '1000', 5, '900']);
  });
});

/** What one purchase is in the model: counted where its time lies in the window that is open when asked. */
interface ModelPurchase {
  readonly at: Date;
  amount: bigint;
  stands: boolean;
}

describe('against a model that keeps every purchase', () => {
  const step = fc.record({
    waitMs: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 3 * 86_400_000 })),
    amount: fc.bigInt({ min: 1n, max: 10_000n }),
    /** Which earlier purchase is given back as a whole or in part, if any. */
    back: fc.option(fc.record({ index: fc.nat(), wholly: fc.boolean() }), { nil: null }),
  });
  const zone = fc.constantFrom('America/New_York', 'Europe/Berlin', 'America/Santiago', 'Asia/Kathmandu', UTC);
  // Both changes of clocks lie within reach of the steps.
  const begin = fc.constantFrom('2026-03-05T12:00:00Z', '2026-10-22T12:00:00Z', '2026-12-30T12:00:00Z');

  test('every window holds exactly what was spent since it began', () => {
    fc.assert(
      fc.property(zone, begin, fc.array(step, { maxLength: 25 }), (timeZone, from, steps) => {
        let now = new Date(from);
        let counters = countersNow(null, now, timeZone);
        const model: ModelPurchase[] = [];
        for (const { waitMs, amount, back } of steps) {
          now = new Date(now.getTime() + waitMs + 1);
          counters = later(counters, now, timeZone);
          const taken = back && model.length > 0 ? model[back.index % model.length] : undefined;
          if (back && taken?.stands) {
            const part = back.wholly ? taken.amount : taken.amount / 2n;
            counters = giveBack(counters, { at: taken.at, ...SHOP }, given(part, back.wholly, taken.amount));
            taken.amount -= part;
            taken.stands = !back.wholly;
          } else {
            counters = countPurchase(counters, { at: now, ...SHOP }, amount, NOTHING);
            model.push({ at: now, amount, stands: true });
          }
          const starts = windowStarts(now, timeZone);
          for (const kind of WINDOW_KINDS) {
            const within = model.filter(({ at }) => at >= starts[kind]);
            const amountWithin = within.reduce((sum, each) => sum + each.amount, 0n);
            expect(counters[kind]).toMatchObject({
              amount: amountWithin,
              count: within.filter(({ stands }) => stands).length,
            });
          }
        }
      }),
    );
  });
});
