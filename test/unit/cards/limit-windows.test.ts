import fc from 'fast-check';
import { localMoment, WINDOW_KINDS, windowStarts } from '../../../services/cards/rules/limit-windows';

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

describe('windows against the calendar that the zone database shows', () => {
  const calendars = new Map<string, Intl.DateTimeFormat>();
  /** `2026-11-21` as a calendar on the wall there shows it. */
  function dateIn(zone: string, instant: number): string {
    let calendar = calendars.get(zone);
    if (!calendar) {
      calendar = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short' });
      calendars.set(zone, calendar);
    }
    return calendar.format(instant);
  }

  /** Names the window that an instant lies in. */
  const nameOf = {
    day: (date: string) => date,
    week: (date: string) => {
      const day = new Date(`${date}T00:00:00Z`);
      day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7));
      return day.toISOString();
    },
    month: (date: string) => date.slice(0, 7),
    year: (date: string) => date.slice(0, 4),
  };

  const zones = [
    'Europe/Berlin',
    'America/New_York',
    'America/Santiago',
    'Australia/Lord_Howe',
    'America/Havana',
    'Asia/Beirut',
  ];
  // Within a day and a half of a change of clocks somewhere, or anywhere.
  const near = [
    '2026-03-08',
    '2026-03-29',
    '2026-04-05',
    '2026-09-06',
    '2026-10-04',
    '2026-10-25',
    '2026-11-01',
    '2026-12-31',
  ];
  const instants = fc.oneof(
    fc
      .record({ date: fc.constantFrom(...near), minutes: fc.integer({ min: -2_160, max: 2_160 }) })
      .map(({ date, minutes }) => new Date(Date.parse(`${date}T00:00:00Z`) + minutes * 60_000)),
    fc.date({ min: new Date('2024-01-01T00:00:00Z'), max: new Date('2028-01-01T00:00:00Z'), noInvalidDate: true }),
  );

  test.each(['day', 'week', 'month', 'year'] as const)(
    'a %s begins at the first instant of it, whatever clocks do',
    (kind) => {
      fc.assert(
        fc.property(fc.constantFrom(...zones), instants, (zone, now) => {
          const start = windowStarts(now, zone)[kind].getTime();
          const window = nameOf[kind](dateIn(zone, now.getTime()));
          expect(nameOf[kind](dateIn(zone, start))).toBe(window);
          expect(nameOf[kind](dateIn(zone, start - 1))).not.toBe(window);
        }),
        { numRuns: 400 },
      );
    },
  );
});

describe('the clock on the wall', () => {
  test.each([
    ['Saturday noon in UTC', '2026-11-21T12:00:00Z', 'Etc/UTC', 6, '12:00'],
    ['the last millisecond of a minute', '2026-11-21T12:00:59.999Z', 'Etc/UTC', 6, '12:00'],
    ['Sunday in Auckland while it is Saturday in Berlin', '2026-11-21T12:00:00Z', 'Pacific/Auckland', 7, '01:00'],
    ['before New York springs forward', '2026-03-08T06:59:59Z', 'America/New_York', 7, '01:59'],
    ['after New York has sprung forward', '2026-03-08T07:00:00Z', 'America/New_York', 7, '03:00'],
    ['the first 01:30 of the day New York falls back', '2026-11-01T05:30:00Z', 'America/New_York', 7, '01:30'],
    ['the second 01:30 of that day', '2026-11-01T06:30:00Z', 'America/New_York', 7, '01:30'],
    ['half an hour of daylight saving on Lord Howe', '2026-10-03T15:30:00Z', 'Australia/Lord_Howe', 7, '02:30'],
    ['where the clocks jump over midnight', '2026-09-06T04:00:00Z', 'America/Santiago', 7, '01:00'],
  ])('%s', (_, now, zone, weekday, time) => {
    const moment = localMoment(new Date(now), zone);
    const text = `${String(Math.floor(moment.minute / 60)).padStart(2, '0')}:${String(moment.minute % 60).padStart(2, '0')}`;
    expect([moment.weekday, text]).toEqual([weekday, time]);
  });

  test('shows what the zone database says at any instant', () => {
    const zones = ['Europe/Berlin', 'America/New_York', 'America/Santiago', 'Australia/Lord_Howe', 'America/Havana'];
    const instants = fc.date({
      min: new Date('2024-01-01T00:00:00Z'),
      max: new Date('2028-01-01T00:00:00Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(fc.constantFrom(...zones), instants, (zone, now) => {
        const shown = new Intl.DateTimeFormat('en-GB', {
          timeZone: zone,
          weekday: 'short',
          hour: '2-digit',
          minute: '2-digit',
          hourCycle: 'h23',
        }).format(now);
        const { weekday, minute } = localMoment(now, zone);
        const name = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][weekday - 1];
        const time = `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
        expect(shown.replace(',', '')).toBe(`${name} ${time}`);
      }),
    );
  });
});
