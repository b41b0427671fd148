import fc from 'fast-check';
import { takeFromHold } from '../../../services/ledger/rules/hold-usage';

test('a hold gives exactly what it holds, and one unit more is refused', () => {
  expect(takeFromHold({ held: 10n, used: 4n }, 6n)).toEqual({ ok: true, value: { held: 10n, used: 10n } });
  expect(takeFromHold({ held: 10n, used: 4n }, 7n)).toEqual({ ok: false, error: 'hold_exceeded' });
});

test('whatever is taken, posts and releases never exceed the hold', () => {
  fc.assert(
    fc.property(fc.bigInt(1n, 1_000n), fc.array(fc.bigInt(1n, 400n)), (held, takes) => {
      let usage = { held, used: 0n };
      let taken = 0n;
      for (const amount of takes) {
        const next = takeFromHold(usage, amount);
        expect(next.ok).toBe(taken + amount <= held);
        if (!next.ok) continue;
        usage = next.value;
        taken += amount;
      }
      expect(usage.used).toBe(taken);
    }),
  );
});
