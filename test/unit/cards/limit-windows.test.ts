import fc from 'fast-check';
import {
  countAuthorization,
  countersNow,
  countersToStored,
  giveBack,
} from '../../../services/cards/rules/limit-counters';
import { WINDOW_KINDS, windowStarts } from '../../../services/cards/rules/limit-windows';

function startsOf(now: string, zone: string): Record<string, string> {
  const starts = windowStarts(new Date(now), zone);
  return {
    day: starts.day.toISOString(),
    week: starts.week.toISOString(),
    month: starts.month.toISOString(),
    year: starts.year.toISOString(),
  };
}

describe('windows begin where the cardholder lives', () => {
  test.each([
    ['Berlin in winter', '2026-11-21T12:00:00Z', 'Europe/Berlin', '2026-11-20T23:00:00.000Z'],
    ['Berlin in summer', '2026-07-01T12:00:00Z', 'Europe/Berlin', '2026-06-30T22:00:00.000Z'],
    ['just before midnight in New York', '2026-11-21T04:59:59Z', 'America/New_York', '2026-11-20T05:00:00.000Z'],
    ['midnight in New York', '2026-11-21T05:00:00Z', 'America/New_York', '2026-11-21T05:00:00.000Z'],
    ['Kathmandu, 5:45 ahead', '2026-11-21T18:14:59Z', 'Asia/Kathmandu', '2026-11-20T18:15:00.000Z'],
    ['the day New York springs forward', '2026-03-08T20:00:00Z', 'America/New_York', '2026-03-08T05:00:00.000Z'],
    ['the day New York falls back', '2026-11-01T23:00:00Z', 'America/New_York', '2026-11-01T04:00:00.000Z'],
    [
      'Santiago, where the clocks jump over midnight',
      '2026-09-06T15:00:00Z',
      'America/Santiago',
      '2026-09-06T04:00:00.000Z',
    ],
  ])('%s', (_, now, zone, dayStart) => {
    expect(startsOf(now, zone)['day']).toBe(dayStart);
  });

  test('weeks begin on Monday, months and years on their first day', () => {
    // 21 November 2026 is a Saturday.
    expect(startsOf('2026-11-21T12:00:00Z', 'Etc/UTC')).toEqual({
      day: '2026-11-21T00:00:00.000Z',
      week: '2026-11-16T00:00:00.000Z',
      month: '2026-11-01T00:00:00.000Z',
      year: '2026-01-01T00:00:00.000Z',
    });
    expect(startsOf('2026-11-22T23:59:59Z', 'Etc/UTC')['week']).toBe('2026-11-16T00:00:00.000Z');
    expect(startsOf('2026-11-23T00:00:00Z', 'Etc/UTC')['week']).toBe('2026-11-23T00:00:00.000Z');
  });

  test('a window always holds the instant it was asked for, and the next asks give the same start', () => {
    const zones = [
      'Europe/Berlin',
      'America/New_York',
      'America/Santiago',
      'Asia/Kathmandu',
      'Pacific/Apia',
      'Australia/Lord_Howe',
    ];
    const instants = fc.date({
      min: new Date('2024-01-01T00:00:00Z'),
      max: new Date('2028-01-01T00:00:00Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(fc.constantFrom(...zones), instants, (zone, now) => {
        const starts = windowStarts(now, zone);
        for (const kind of WINDOW_KINDS) expect(starts[kind].getTime()).toBeLessThanOrEqual(now.getTime());
        expect(now.getTime() - starts.day.getTime()).toBeLessThan(25.5 * 3_600_000);
        expect(windowStarts(starts.day, zone).day.getTime()).toBe(starts.day.getTime());
        expect(windowStarts(new Date(starts.day.getTime() - 1), zone).day.getTime()).toBeLessThan(starts.day.getTime());
      }),
    );
  });
});

describe('counters', () => {
  const monday = windowStarts(new Date('2026-11-16T12:00:00Z'), 'Etc/UTC');
  const tuesday = windowStarts(new Date('2026-11-17T12:00:00Z'), 'Etc/UTC');

  test('a new day begins at nothing while the week goes on', () => {
    const stored = countersToStored(countAuthorization(countersNow(null, monday), 500n));
    const now = countersNow(stored, tuesday);
    expect(now.day).toMatchObject({ amount: 0n, count: 0 });
    expect(now.week).toMatchObject({ amount: 500n, count: 1 });
  });

  test('a reversal gives back to the windows that counted it, and to no other', () => {
    const monday500 = countersToStored(countAuthorization(countersNow(null, monday), 500n));
    const tuesday300 = countAuthorization(countersNow(monday500, tuesday), 300n);
    const after = giveBack(tuesday300, monday, 500n, true);
    expect(after.day).toMatchObject({ amount: 300n, count: 1 });
    expect(after.week).toMatchObject({ amount: 300n, count: 1 });
  });

  test('a partial reversal gives back the amount and keeps the count', () => {
    const counted = countAuthorization(countersNow(null, monday), 500n);
    expect(giveBack(counted, monday, 200n, false).day).toMatchObject({ amount: 300n, count: 1 });
  });

  test('storing and reading changes nothing', () => {
    const counted = countAuthorization(countersNow(null, monday), 123n);
    expect(countersNow(countersToStored(counted), monday)).toEqual(counted);
  });
});
