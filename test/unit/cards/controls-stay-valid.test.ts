import fc from 'fast-check';
import {
  isLooser,
  sameControls,
  splitControlsChange,
  tighterControls,
  tooLongList,
} from '../../../services/cards/rules/controls-change';
import type { HourSpan, SpendControls, VelocityRule } from '../../../services/cards/rules/spend-controls';
import { cardControls, controls as controlsSchema } from '../../../services/http/schemas/controls';
import { anyControls } from '../../builders/any-controls';

const NOW = new Date('2026-11-20T12:00:00Z');
const parsed = (controls: SpendControls) => controlsSchema.safeParse(controls);
const isValid = (controls: SpendControls): boolean => parsed(controls).success;

/** Documents as long as they may be, so that two together are longer. */
const code = (mcc: number) => String(mcc).padStart(4, '0');
const manyMccs = fc
  .uniqueArray(fc.integer({ min: 0, max: 9_990 }), { minLength: 0, maxLength: 500 })
  .map((codes) => codes.map((mcc) => (mcc % 3 === 0 ? `${code(mcc)}-${code(mcc + 2)}` : code(mcc))));
const time = fc
  .integer({ min: 0, max: 1_439 })
  .map((minute) => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`);
const manyHours: fc.Arbitrary<readonly HourSpan[]> = fc.array(
  fc
    .record({
      days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 7 }),
      from: time,
      to: fc.oneof({ weight: 9, arbitrary: time }, { weight: 1, arbitrary: fc.constant('24:00') }),
    })
    .filter(({ from, to }) => from !== to),
  { minLength: 1, maxLength: 50 },
);
const manyRules = fc.array(
  fc.record(
    {
      window_seconds: fc.integer({ min: 1, max: 2_678_400 }),
      max_count: fc.integer({ min: 1, max: 100 }),
      max_amount: fc.integer({ min: 0, max: 1_000_000 }).map(String),
      merchant_groups: fc.uniqueArray(fc.constantFrom('fuel', 'travel', 'hotels'), { minLength: 1, maxLength: 3 }),
      per: fc.constantFrom('card', 'account'),
    },
    { requiredKeys: ['window_seconds', 'max_count', 'per'] },
  ),
  { maxLength: 20 },
) as fc.Arbitrary<readonly VelocityRule[]>;
const instant = fc
  .date({ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
  .map((date) => date.toISOString());

const longControls = fc.record(
  {
    allowed_mccs: manyMccs,
    blocked_mccs: manyMccs,
    hours: manyHours,
    velocity: manyRules,
    valid_from: instant,
    valid_until: instant,
  },
  { requiredKeys: [] },
) as fc.Arbitrary<SpendControls>;

describe.each([
  ['any two documents', anyControls, 400],
  ['documents as long as they may be', longControls, 80],
])('%s that may be asked for', (_what, generated, numRuns) => {
  const valid = generated.filter(isValid);

  test('are tightened to one that may be asked for, and is no looser than either', () => {
    fc.assert(
      fc.property(valid, valid, valid, (one, other, third) => {
        const tight = tighterControls(one, other);
        expect(parsed(tight).error?.issues ?? []).toEqual([]);
        expect([isLooser(tight, one), isLooser(tight, other)]).toEqual([false, false]);
        // Sent back as it is, it changes nothing.
        expect(splitControlsChange(tight, tight, NOW, 24)).toEqual({ now: tight, later: null });
        // And again, on top of what was tightened before.
        expect(parsed(tighterControls(tight, third)).error?.issues ?? []).toEqual([]);
      }),
      { numRuns },
    );
  });

  test('leave documents in force, and waiting, that may be asked for', () => {
    fc.assert(
      fc.property(valid, valid, (current, wanted) => {
        const { now, later } = splitControlsChange(current, wanted, NOW, 24);
        expect(isValid(now)).toBe(true);
        expect(later === null || isValid(later.controls)).toBe(true);
      }),
      { numRuns },
    );
  });
});

test('rules of a card stay rules of a card', () => {
  const rule = (window_seconds: number): VelocityRule => ({ window_seconds, max_count: 60, per: 'card' });
  const tight = tighterControls({ velocity: [rule(60)] }, { velocity: [rule(3_600), { ...rule(59), max_count: 7 }] });
  expect(cardControls.safeParse(tight).success).toBe(true);
});

describe('no time that both allow', () => {
  const hours = (from: string, to: string): SpendControls => ({ hours: [{ days: [1], from, to }] });

  test.each<[string, SpendControls, SpendControls]>([
    ['hours', hours('08:00', '12:00'), hours('12:00', '20:00')],
    ['validity', { valid_until: '2026-12-01T00:00:00Z' }, { valid_from: '2026-12-01T00:00:00Z' }],
    ['as it was said before', { hours: [] }, {}],
  ])('is said to be never: %s', (_what, one, other) => {
    const limits = { day_amount: '100' };
    expect(tighterControls({ ...one, limits }, other)).toEqual({ never: true, limits });
    expect(splitControlsChange({ ...one, limits }, other, NOW, 24)).toEqual({
      now: { never: true, limits },
      later: { controls: other, effective_at: '2026-11-21T12:00:00.000Z' },
    });
  });

  test('is tighter than anything, and the same however it is said', () => {
    expect(isLooser({ never: true }, {})).toBe(false);
    expect(isLooser({}, { never: true })).toBe(true);
    expect(sameControls({ hours: [] }, { never: true })).toBe(true);
    expect(sameControls({ never: false }, {})).toBe(true);
    expect(splitControlsChange({}, { hours: [] }, NOW, 24).now).toEqual({ never: true });
  });
});

describe('two documents that are too long together', () => {
  test('velocity rules that another implies are left out, others allow fewer purchases', () => {
    const rule = (window_seconds: number, max_count: number): VelocityRule => ({
      window_seconds,
      max_count,
      per: 'card',
    });
    const both = tighterControls({ velocity: [rule(60, 60)] }, { velocity: [rule(3_600, 50), rule(60, 70)] });
    expect(both).toEqual({ velocity: [rule(3_600, 50)] });
    expect(tighterControls({ velocity: [rule(60, 60)] }, { velocity: [rule(3_600, 90)] })).toEqual({
      velocity: [rule(60, 50), rule(3_600, 50)],
    });
  });

  test('what is blocked but not allowed anyway is left out; else the change has to be refused', () => {
    const ids = (from: number) => Array.from({ length: 500 }, (_, index) => `M-${from + index}`);
    const both = tighterControls({ blocked_merchants: ids(0) }, { blocked_merchants: ids(500) });
    expect(tooLongList(both)).toEqual({ field: 'blocked_merchants', most: 500 });
    const allowed = tighterControls(
      { blocked_merchants: ids(0) },
      { blocked_merchants: ids(500), allowed_merchants: ids(250) },
    );
    expect(allowed.blocked_merchants).toEqual(ids(250));
    expect(tooLongList(allowed)).toBeNull();
  });
});

test('an instant that UTC writes with more than four digits is refused', () => {
  expect(isValid({ valid_until: '9999-12-31T23:59:59-14:00' })).toBe(false);
  expect(isValid({ valid_from: '0000-01-01T00:00:00+14:00' })).toBe(false);
  expect(isValid({ valid_until: '9999-12-31T23:59:59+14:00' })).toBe(true);
});
