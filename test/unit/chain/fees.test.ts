import fc from 'fast-check';
import { type FeePolicy, firstFees, replacementFees } from '../../../services/chain/rules/fees';

const policy: FeePolicy = { minimumPriorityFeePerGas: 10n, limitFeePerGas: 10_000n, bumpBps: 1_250 };

describe('first fees', () => {
  test('pay twice the base fee and the tip, at least the least tip', () => {
    expect(firstFees({ baseFeePerGas: 100n, suggestedPriorityFeePerGas: 30n }, policy)).toEqual({
      maxFeePerGas: 230n,
      maxPriorityFeePerGas: 30n,
    });
    expect(firstFees({ baseFeePerGas: 100n, suggestedPriorityFeePerGas: 9n }, policy).maxPriorityFeePerGas).toBe(10n);
  });

  test('stop at the limit, the tip included', () => {
    expect(firstFees({ baseFeePerGas: 1n, suggestedPriorityFeePerGas: 20_000n }, policy)).toEqual({
      maxFeePerGas: 10_000n,
      maxPriorityFeePerGas: 10_000n,
    });
  });
});

describe('replacement fees', () => {
  const calm = { baseFeePerGas: 0n, suggestedPriorityFeePerGas: 0n };

  test('round the step up, so that a node that wants 12.5 % takes it', () => {
    expect(replacementFees({ maxFeePerGas: 101n, maxPriorityFeePerGas: 9n }, calm, policy)).toEqual({
      maxFeePerGas: 114n,
      maxPriorityFeePerGas: 11n,
    });
  });

  test('follow a market that rose by more', () => {
    const fees = replacementFees(
      { maxFeePerGas: 100n, maxPriorityFeePerGas: 10n },
      { baseFeePerGas: 1_000n, suggestedPriorityFeePerGas: 50n },
      policy,
    );
    expect(fees).toEqual({ maxFeePerGas: 2_050n, maxPriorityFeePerGas: 50n });
  });

  test('end at the limit: the last step that fits is taken, the next is not', () => {
    expect(replacementFees({ maxFeePerGas: 8_888n, maxPriorityFeePerGas: 1n }, calm, policy)?.maxFeePerGas).toBe(
      9_999n,
    );
    expect(replacementFees({ maxFeePerGas: 8_889n, maxPriorityFeePerGas: 1n }, calm, policy)).toBeNull();
  });

  test('a policy outside 12.5–20 % is a defect', () => {
    for (const bumpBps of [1_249, 2_001]) {
      expect(() =>
        replacementFees({ maxFeePerGas: 1n, maxPriorityFeePerGas: 1n }, calm, { ...policy, bumpBps }),
      ).toThrow('12.5–20 %');
    }
  });

  test('both fees rise by the step or more, and the tip never passes the whole', () => {
    const fee = fc.bigInt({ min: 1n, max: 10_000n });
    fc.assert(
      fc.property(fee, fee, fee, fee, (first, second, baseFeePerGas, suggestedPriorityFeePerGas) => {
        const previous =
          first > second
            ? { maxFeePerGas: first, maxPriorityFeePerGas: second }
            : { maxFeePerGas: second, maxPriorityFeePerGas: first };
        const fees = replacementFees(previous, { baseFeePerGas, suggestedPriorityFeePerGas }, policy);
        if (fees === null) return true;
        return (
          fees.maxFeePerGas * 1_000n >= previous.maxFeePerGas * 1_125n &&
          fees.maxPriorityFeePerGas * 1_000n >= previous.maxPriorityFeePerGas * 1_125n &&
          fees.maxPriorityFeePerGas <= fees.maxFeePerGas &&
          fees.maxFeePerGas <= policy.limitFeePerGas
        );
      }),
    );
  });
});
