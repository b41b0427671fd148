import fc from 'fast-check';
import {
  amountBesideFeeOnTopRoundDown,
  amountBesideFeeRoundDown,
  type ChargedSpend,
  feeDue,
  feeOfMovement,
  feeOnClearingsRoundDown,
  feeOnTopRoundUp,
  feeRoundDown,
  feeTerms,
  movedBy,
  type PurchaseMovement,
  type PurchaseMovements,
} from '../../../services/authorizations/rules/fees';

const domestic: ChargedSpend = { currency: 'USD', merchantCurrency: 'USD', cashWithdrawal: false, cashAmount: 0n };
const charging = { foreign_currency_fee_bps: 150, cash_withdrawal_fee: { fixed: '250', bps: 200 } };

describe('what a program charges', () => {
  test('nothing by default, whatever is bought', () => {
    const foreign = { ...domestic, merchantCurrency: 'EUR', cashWithdrawal: true, cashAmount: 5_000n };
    expect(feeTerms({}, foreign)).toEqual({ fixed: 0n, bps: 0 });
  });

  test('another currency is charged by its rate, the card’s own is not', () => {
    expect(feeTerms(charging, { ...domestic, merchantCurrency: 'EUR' })).toEqual({ fixed: 0n, bps: 150 });
    expect(feeTerms(charging, domestic)).toEqual({ fixed: 0n, bps: 0 });
  });

  test('cash abroad carries both rates at once', () => {
    const terms = feeTerms(charging, { ...domestic, merchantCurrency: 'EUR', cashWithdrawal: true });
    expect(terms).toEqual({ fixed: 250n, bps: 350 });
    expect(feeRoundDown(terms, 10_000n)).toBe(600n);
  });

  test('cash at the till is charged only where the policy says so, and only for the cash', () => {
    const atTheTill = { ...domestic, cashAmount: 2_000n };
    expect(feeTerms(charging, atTheTill)).toEqual({ fixed: 0n, bps: 0 });
    const withCashback = { ...charging, cash_withdrawal_fee: { ...charging.cash_withdrawal_fee, cashback: true } };
    const terms = feeTerms(withCashback, atTheTill);
    expect(terms).toEqual({ fixed: 290n, bps: 0 });
    expect(feeRoundDown(terms, 9_000n)).toBe(290n);
    expect(feeTerms(withCashback, domestic)).toEqual({ fixed: 0n, bps: 0 });
  });

  test('a fraction of a cent is not charged', () => {
    expect(feeRoundDown({ fixed: 0n, bps: 150 }, 66n)).toBe(0n);
    expect(feeRoundDown({ fixed: 0n, bps: 150 }, 67n)).toBe(1n);
    expect(feeRoundDown({ fixed: 250n, bps: 0 }, 0n)).toBe(0n);
  });
});

const terms = fc.record({ fixed: fc.bigInt(0n, 5_000n), bps: fc.integer({ min: 0, max: 3_000 }) });

test('the amount beside a fee is the largest whose sum with it fits', () => {
  fc.assert(
    fc.property(terms, fc.bigInt(0n, 10n ** 9n), (fee, total) => {
      const amount = amountBesideFeeRoundDown(fee, total);
      if (amount > 0n) expect(amount + feeRoundDown(fee, amount)).toBeLessThanOrEqual(total);
      expect(amount + 1n + feeRoundDown(fee, amount + 1n)).toBeGreaterThan(total);
    }),
  );
});

test('the amount beside a fee on top is the largest whose sum with it fits, and the fees of parts carry that of their sum', () => {
  fc.assert(
    fc.property(terms, fc.bigInt(0n, 10n ** 9n), fc.array(fc.bigInt(1n, 10n ** 6n)), (fee, total, parts) => {
      const amount = amountBesideFeeOnTopRoundDown(fee, total);
      if (amount > 0n) expect(amount + feeOnTopRoundUp(fee, amount)).toBeLessThanOrEqual(total);
      expect(amount + 1n + feeOnTopRoundUp(fee, amount + 1n)).toBeGreaterThan(total);

      const onTop = { ...fee, fixed: 0n };
      const held = parts.reduce((sum, part) => sum + feeOnTopRoundUp(onTop, part), 0n);
      expect(held).toBeGreaterThanOrEqual(
        feeRoundDown(
          onTop,
          parts.reduce((sum, part) => sum + part, 0n),
        ),
      );
    }),
  );
});

const NOTHING_MOVED: PurchaseMovements = { cleared: [], refunded: 0n, takenBack: 0n };

/** Few terms and few amounts, so that parts often add up to the whole. */
const someTerms = fc.constantFrom({ fixed: 0n, bps: 0 }, { fixed: 0n, bps: 150 }, { fixed: 250n, bps: 200 });
const someAmount = fc.constantFrom(0n, 1n, 33n, 67n, 100n, 4_000n, 6_000n, 10_000n);
const messages = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('clearing' as const), amount: someAmount, terms: someTerms }),
    fc.record({ kind: fc.constantFrom('refund' as const, 'refund_reversal' as const), amount: someAmount }),
  ),
  { maxLength: 10 },
);

const inAnyOrder = messages.chain((sent) =>
  fc.record({ sent: fc.constant(sent), received: fc.shuffledSubarray(sent, { minLength: sent.length }) }),
);

/** Takes one message after the other, and sees that none leaves anything but what is due. */
function chargedFor(received: readonly PurchaseMovement[]): bigint {
  let so = { ...NOTHING_MOVED, charged: 0n };
  for (const message of received) {
    const fee = feeOfMovement(so, message);
    if (message.kind === 'refund') expect(fee <= 0n).toBe(true);
    else expect(fee >= 0n).toBe(true);
    so = { ...movedBy(so, message), charged: so.charged + fee };
    expect(so.charged).toBe(feeDue(so));
    expect(so.charged >= 0n).toBe(true);
  }
  return so.charged;
}

test('clearings, refunds and refunds taken back come to one fee, in whichever order they are heard', () => {
  fc.assert(
    fc.property(inAnyOrder, ({ sent, received }) => {
      const sumOf = (kind: PurchaseMovement['kind']) =>
        sent.filter((each) => each.kind === kind).reduce((sum, each) => sum + each.amount, 0n);
      const left = sumOf('clearing') - sumOf('refund') + sumOf('refund_reversal');
      const due =
        left > 0n ? feeOnClearingsRoundDown(sent.flatMap((each) => (each.kind === 'clearing' ? [each] : []))) : 0n;
      expect(chargedFor(sent)).toBe(due);
      expect(chargedFor(received)).toBe(due);
    }),
  );
});

test('clearings on the same terms are charged the fee on their sum, those on others their own, and the fixed part once', () => {
  const amounts = fc.array(fc.bigInt(0n, 10n ** 7n), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(terms, amounts, (fee, parts) => {
      const cleared = parts.map((amount) => ({ amount, terms: fee }));
      expect(feeOnClearingsRoundDown(cleared)).toBe(
        feeRoundDown(
          fee,
          parts.reduce((sum, part) => sum + part, 0n),
        ),
      );
    }),
  );
  const [free, abroad, cash] = [
    { fixed: 0n, bps: 0 },
    { fixed: 0n, bps: 150 },
    { fixed: 250n, bps: 200 },
  ];
  expect(
    feeOnClearingsRoundDown([
      { amount: 66n, terms: abroad },
      { amount: 1n, terms: free },
    ]),
  ).toBe(0n);
  expect(
    feeOnClearingsRoundDown([
      { amount: 33n, terms: abroad },
      { amount: 34n, terms: abroad },
    ]),
  ).toBe(1n);
  const both = [
    { amount: 10_000n, terms: cash },
    { amount: 10_000n, terms: abroad },
    { amount: 10_000n, terms: cash },
  ];
  expect(feeOnClearingsRoundDown(both)).toBe(250n + 200n + 150n + 200n);
});

test('what was charged on other terms: a clearing gives nothing back, a refund charges nothing, the whole refund gives all', () => {
  const rate = { fixed: 0n, bps: 100 };
  const before = { ...NOTHING_MOVED, cleared: [{ amount: 10_000n, terms: rate }] };
  const more = { kind: 'clearing', amount: 1_000n, terms: rate } as const;
  expect(feeOfMovement({ ...before, charged: 300n }, more)).toBe(0n);
  expect(feeOfMovement({ ...before, charged: 300n }, { kind: 'refund', amount: 10_000n })).toBe(-300n);
  expect(feeOfMovement({ ...before, charged: 20n }, { kind: 'refund', amount: 1_000n })).toBe(0n);
  expect(feeOfMovement({ ...before, charged: 20n }, { kind: 'refund', amount: 10_000n })).toBe(-20n);
});

test('of a fee of which more went back than was charged, no refund gives any', () => {
  const cleared = [{ amount: 10_000n, terms: { fixed: 0n, bps: 100 } }];
  const before = { cleared, refunded: 20_000n, takenBack: 10_000n, charged: -100n };
  expect(feeOfMovement(before, { kind: 'refund', amount: 5_000n })).toBe(0n);
  expect(feeOfMovement(before, { kind: 'refund_reversal', amount: 5_000n })).toBe(200n);
});
