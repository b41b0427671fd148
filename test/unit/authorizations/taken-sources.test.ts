import { type LegOfPurchase, takenSources } from '../../../services/authorizations/rules/taken-sources';

const leg = (change: Partial<LegOfPurchase> = {}): LegOfPurchase => ({
  kind: 'stablecoin_sale',
  asset: 'USDC',
  hold_transfer_id: 'hold',
  held_usd: 10_000n,
  posted_usd: 0n,
  released_usd: 0n,
  refunded_usd: 0n,
  ...change,
});
const usdc = (amountUsd: bigint) => [{ kind: 'stablecoin_sale', asset: 'USDC', amountUsd }];

test.each<[string, readonly LegOfPurchase[], unknown]>([
  ['what is held', [leg()], usdc(10_000n)],
  ['what of it has cleared as well', [leg({ posted_usd: 4_000n })], usdc(10_000n)],
  ['not what was released of it', [leg({ posted_usd: 4_000n, released_usd: 6_000n })], usdc(4_000n)],
  ['not what was given back of it', [leg({ posted_usd: 10_000n, refunded_usd: 3_000n })], usdc(7_000n)],
  [
    'what cleared above its hold',
    [leg(), leg({ hold_transfer_id: null, held_usd: 0n, posted_usd: 500n })],
    usdc(10_500n),
  ],
  [
    'what was overdue, and not the tokens that were taken for it later',
    [
      leg({ kind: 'overdue', asset: 'USD', hold_transfer_id: null, held_usd: 0n, posted_usd: 500n }),
      leg({ kind: 'overdue', asset: 'USDC', hold_transfer_id: null, held_usd: 0n, posted_usd: 500n }),
    ],
    [{ kind: 'overdue', asset: 'USD', amountUsd: 500n }],
  ],
  ['nothing of a leg that gave all back', [leg({ released_usd: 10_000n })], []],
  ['nothing of a refund', [leg({ kind: 'refund', asset: 'USD' })], []],
  [
    'a sale and a loan of one token apart',
    [leg(), leg({ kind: 'loan_draw' })],
    [...usdc(10_000n), { kind: 'loan_draw', asset: 'USDC', amountUsd: 10_000n }],
  ],
])('a purchase has of its sources %s', (_, legs, expected) => {
  expect(takenSources(legs)).toEqual(expected);
});
