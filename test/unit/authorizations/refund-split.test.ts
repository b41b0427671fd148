import fc from 'fast-check';
import {
  type RefundableLeg,
  type RefundSplitInput,
  refundLoan,
  splitRefund,
} from '../../../services/authorizations/rules/refund-split';
import { sumBigint } from '../../../services/shared/money';

const otherwise = { asset: 'USDC', priceUsdE8: 100_000_000n, decimals: 6 };

const leg = (legId: string, kind: RefundableLeg['kind'], postedUsd: bigint, postedAmount: bigint): RefundableLeg => ({
  legId,
  kind,
  asset: kind === 'overdue' ? 'USD' : 'USDC',
  postedAmount,
  postedUsd,
  refundedAmount: 0n,
  refundedUsd: 0n,
});

const split = (input: Partial<RefundSplitInput>) =>
  splitRefund({ amountUsd: 0n, accountOverdueUsd: 0n, legs: [], otherwise, ...input });

test('overdue first, then the loan, then the sales from the last', () => {
  const legs = [
    leg('sale-1', 'stablecoin_sale', 1_000n, 10_000_000n),
    leg('sale-2', 'stablecoin_sale', 500n, 5_000_000n),
    leg('loan', 'loan_draw', 2_000n, 20_000_000n),
    leg('overdue', 'overdue', 300n, 300n),
  ];
  const found = split({ amountUsd: 2_900n, accountOverdueUsd: 300n, legs });
  expect(found.overdueUsd).toBe(300n);
  expect(found.overdueShares).toEqual([{ legId: 'overdue', amountUsd: 300n }]);
  expect(found.shares.map((share) => [share.legId, share.amountUsd, share.amount])).toEqual([
    ['loan', 2_000n, 20_000_000n],
    ['sale-2', 500n, 5_000_000n],
    ['sale-1', 100n, 1_000_000n],
  ]);
});

test('tokens come back at the purchase’s rate, not today’s', () => {
  const legs = [leg('sale', 'stablecoin_sale', 1_080n, 10_000_000n)];
  expect(split({ amountUsd: 540n, legs }).shares).toMatchObject([{ legId: 'sale', amount: 5_000_000n }]);
});

test('without a purchase the program’s stablecoin is bought at today’s price, rounded down', () => {
  const found = split({ amountUsd: 100n, otherwise: { asset: 'EURC', priceUsdE8: 108_000_000n, decimals: 6 } });
  expect(found.shares).toEqual([
    { legId: null, kind: 'stablecoin_sale', asset: 'EURC', amount: 925_925n, amountUsd: 100n },
  ]);
});

test('refunds in any number of parts give back exactly what was taken, to the unit', () => {
  fc.assert(
    fc.property(
      fc.bigInt(1n, 100_000n),
      fc.bigInt(1n, 10n ** 10n),
      fc.array(fc.bigInt(1n, 40_000n), { maxLength: 8 }),
      (usd, tokens, parts) => {
        let purchase = leg('leg', 'loan_draw', usd, tokens);
        for (const wanted of [...parts, usd]) {
          const open = purchase.postedUsd - purchase.refundedUsd;
          if (open === 0n) break;
          const amountUsd = wanted < open ? wanted : open;
          const [share] = split({ amountUsd, legs: [purchase] }).shares;
          purchase = {
            ...purchase,
            refundedAmount: purchase.refundedAmount + (share?.amount ?? 0n),
            refundedUsd: purchase.refundedUsd + amountUsd,
          };
          expect(purchase.refundedAmount <= purchase.postedAmount).toBe(true);
        }
        expect(purchase.refundedAmount).toBe(purchase.postedAmount);
      },
    ),
  );
});

test('every cent of a refund goes somewhere', () => {
  const anyLeg = fc
    .record({
      kind: fc.constantFrom<RefundableLeg['kind']>('stablecoin_sale', 'loan_draw', 'overdue'),
      usd: fc.bigInt(1n, 10_000n),
      tokens: fc.bigInt(1n, 10n ** 9n),
    })
    .map(({ kind, usd, tokens }) => leg('leg', kind, usd, tokens));
  fc.assert(
    fc.property(
      fc.bigInt(1n, 50_000n),
      fc.bigInt(0n, 20_000n),
      fc.array(anyLeg, { maxLength: 5 }),
      (usd, overdue, legs) => {
        const numbered = legs.map((each, n) => ({ ...each, legId: `${n}` }));
        const found = split({ amountUsd: usd, accountOverdueUsd: overdue, legs: numbered });
        expect(found.overdueUsd + sumBigint(found.shares.map((share) => share.amountUsd))).toBe(usd);
        expect(found.overdueUsd <= overdue).toBe(true);
      },
    ),
  );
});

describe('a loan', () => {
  const draw = {
    amount: 50n,
    principalOpen: 120n,
    confirmedOpen: 120n,
    interestOpen: 12n,
    venueInterestPosted: 9n,
    spreadPosted: 3n,
    shares: 118n,
  };

  test('loses principal, interest and shares in proportion', () => {
    expect(refundLoan(draw)).toEqual({
      principal: 50n,
      toFunds: 0n,
      interest: 5n,
      venueInterest: 3n,
      sharesLeft: 69n,
      unconfirmed: 0n,
    });
  });

  test('undone wholly owes nothing, and what finds no principal goes to the funds', () => {
    expect(refundLoan({ ...draw, amount: 150n })).toMatchObject({
      principal: 120n,
      toFunds: 30n,
      interest: 12n,
      sharesLeft: 0n,
    });
  });

  test('gives up confirmed principal before what the chain has not confirmed', () => {
    expect(refundLoan({ ...draw, confirmedOpen: 30n })).toMatchObject({
      principal: 50n,
      unconfirmed: 20n,
      sharesLeft: 0n,
    });
    expect(refundLoan({ ...draw, confirmedOpen: 0n, shares: 0n })).toMatchObject({ unconfirmed: 50n, sharesLeft: 0n });
  });

  test('that was repaid before gives everything to the funds', () => {
    const repaid = { ...draw, principalOpen: 0n, confirmedOpen: 0n, interestOpen: 0n, shares: 0n };
    expect(refundLoan(repaid)).toMatchObject({ principal: 0n, toFunds: 50n, interest: 0n });
  });
});
