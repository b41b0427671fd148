import { agreementDocument } from '../../../services/credit/rules/agreement-document';

const terms = {
  borrowAsset: 'USDC',
  venueRateBps: 505,
  spreadBps: 100,
  collateral: {
    WETH: { ltv_bps: 5_500, liquidation_threshold_bps: 7_500 },
    WBTC: { ltv_bps: 5_200, liquidation_threshold_bps: 7_200 },
  },
};

test('the document shows the whole rate and its parts, and every asset with its limits', () => {
  const text = agreementDocument(terms);
  expect(text).toContain('Yearly interest now: 6.05 %, of which 5.05 %');
  expect(text).toContain('WETH: up to 55.00 % of its value can be borrowed; from 75.00 %');
  expect(text).toContain('WBTC: up to 52.00 %');
});

test('equal terms give equal bytes, whatever the order of their assets; another rate gives others', () => {
  const { WETH, WBTC } = terms.collateral;
  expect(agreementDocument({ ...terms, collateral: { WBTC, WETH } })).toBe(agreementDocument(terms));
  expect(agreementDocument({ ...terms, spreadBps: 101 })).not.toBe(agreementDocument(terms));
});
