import { spendRoom } from '../../../services/cards/rules/evaluate-controls';
import { countersNow } from '../../../services/cards/rules/limit-counters';
import type { ProgramLimits } from '../../../services/programs/rules/program-policy';
import { answersCaps, summedUsage, unknownUsage, usageWith } from '../../../services/programs/rules/program-usage';

const NOW = new Date('2026-11-21T12:00:00Z');
const CAPS: ProgramLimits = { day_amount: '100', month_count: 3, headroom_bps: 0, time_zone: 'Etc/UTC' };
const SPENT = [
  { amount: 10n, count: 1 },
  { amount: 50n, count: 2 },
];

test('what was summed answers the caps that it was summed for', () => {
  const usage = summedUsage(CAPS, SPENT, NOW);
  expect(usage.kinds).toEqual(['day', 'month']);
  expect(usage.day).toEqual([expect.any(Number), '10', 1]);
  expect(usage.month).toEqual([expect.any(Number), '50', 2]);
  expect(answersCaps(usage, CAPS)).toBe(true);
  expect(answersCaps(usage, { ...CAPS, day_amount: '7' })).toBe(true);
  expect(answersCaps(usage, { ...CAPS, day_count: 7 })).toBe(true);
  expect(answersCaps(usage, { ...CAPS, week_amount: '7' })).toBe(false);
  expect(answersCaps(usage, { ...CAPS, time_zone: 'Asia/Tokyo' })).toBe(false);
  expect(answersCaps(null, CAPS)).toBe(false);
  // A row of before the windows were named.
  const { kinds: _kinds, ...older } = usage;
  expect(answersCaps(older, { ...CAPS, week_amount: '7' })).toBe(true);
});

test('what was approved since is added to the windows that were open by then', () => {
  const usage = summedUsage(CAPS, SPENT, NOW);
  const midnight = new Date('2026-11-22T00:00:00Z');
  const since = [
    { until: midnight.getTime() - 1, amount: 5n, count: 1 },
    { until: midnight.getTime(), amount: 7n, count: 1 },
  ];
  const now = new Date(midnight.getTime() + 1_000);
  const counters = countersNow(usageWith(usage, since, now, CAPS), now, CAPS.time_zone);
  expect(counters.day).toMatchObject({ amount: 7n, count: 1 });
  expect(counters.month).toMatchObject({ amount: 62n, count: 4 });
  expect(usageWith(usage, [], now, CAPS)).toBe(usage);
  expect(usageWith(usage, since, now, CAPS)).toMatchObject({ at: usage.at, kinds: usage.kinds });
});

test('caps refuse on what is not known', () => {
  const room = spendRoom({
    controls: [],
    programLimits: CAPS,
    spend: {
      kind: 'authorization',
      amount: 1n,
      currency: 'USD',
      mcc: '5411',
      merchantId: 'M-1',
      merchantCountry: 'DEU',
      merchantCurrency: 'USD',
      channel: 'chip',
      cashAmount: 0n,
      fleet: null,
    },
    now: NOW,
    accountCounters: countersNow(null, NOW, 'Etc/UTC'),
    cardCounters: null,
    programUsage: unknownUsage(CAPS, NOW),
    approvedBefore: null,
  });
  expect(room.refusal?.reason).toBe('program_limit_exceeded');
});
