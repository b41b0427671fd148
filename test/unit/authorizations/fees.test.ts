import fc from 'fast-check';
import {
  amountBesideFeeOnTopRoundDown,
  amountBesideFeeRoundDown,
  type ChargedSpend,
  feeOfClearing,
  feeOnTopRoundUp,
  feeRoundDown,
  feeTerms,
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

test('fees of several clearings add up to the fee on their sum', () => {
  fc.assert(
    fc.property(terms, fc.array(fc.bigInt(0n, 10n ** 6n), { maxLength: 6 }), (fee, clearings) => {
      let before = 0n;
      let charged = 0n;
      for (const amount of clearings) {
        charged += feeOfClearing(fee, { before, charged, amount });
        before += amount;
      }
      expect(charged).toBe(feeRoundDown(fee, before));
    }),
  );
});
