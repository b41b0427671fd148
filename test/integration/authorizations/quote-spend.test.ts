import type { Knex } from 'knex';
import type { Authorizer } from '../../../services/authorizations/authorize-spend';
import { createAuthorizerPool } from '../../../services/authorizations/authorizer-pool';
import { quoteSpend } from '../../../services/authorizations/quote-spend';
import { createKnex } from '../../../services/database/knex';
import { inOrganization } from '../../../services/database/transaction';
import type { FundingPolicy } from '../../../services/funding/rules/funding-policy';
import { systemClock } from '../../../services/shared/clock';
import { createSpendingWorld, purchase, type SpendingWorld, type WorldAccount } from '../../builders/spending-world';
import { createTestAuthorizer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const MCC = '5812';
let database: TestDatabase;
let knex: Knex;
let pool: ReturnType<typeof createAuthorizerPool>;
let authorizer: Authorizer;

beforeAll(async () => {
  database = await createTestDatabase();
  knex = createKnex(database.urls.escudo_app, 2, 'test');
  pool = createAuthorizerPool(database.urls.escudo_authorizer, 2);
  authorizer = createTestAuthorizer(pool);
});

afterAll(async () => {
  await pool.end();
  await knex.destroy();
  await database.drop();
});

async function largest({ organizationId }: SpendingWorld, account: WorldAccount): Promise<bigint> {
  const quote = await inOrganization(knex, organizationId, (trx) =>
    quoteSpend(
      trx,
      { clock: systemClock },
      {
        organizationId,
        accountId: account.accountId,
        cardId: account.cardId,
        amount: 100n,
        mcc: MCC,
        merchantCountry: 'DEU',
        channel: 'chip',
      },
    ),
  );
  if (!quote.ok) throw new Error(quote.error.detail);
  return quote.value.decision.largestAmount;
}

function atRestaurant(account: WorldAccount, amount: bigint) {
  const request = purchase(account, amount);
  return authorizer.authorize({ ...request, merchant: { ...request.merchant, mcc: MCC } });
}

const policies: [string, FundingPolicy][] = [
  [
    'sale of two stablecoins',
    {
      mode: 'custom',
      sources: [
        { kind: 'stablecoin', asset: 'USDC', keep: 0n },
        { kind: 'stablecoin', asset: 'EURC', keep: 0n },
      ],
    },
  ],
  ['sale above a floor', { mode: 'custom', sources: [{ kind: 'stablecoin', asset: 'USDC', keep: 123_456_789n }] }],
  ['loan', { mode: 'borrow', sources: [{ kind: 'loan', ltvMaxBps: null }] }],
  ['loan to its own ceiling', { mode: 'custom', sources: [{ kind: 'loan', ltvMaxBps: 3_333 }] }],
  [
    'sale, then loan',
    {
      mode: 'custom',
      sources: [
        { kind: 'stablecoin', asset: 'USDC', keep: 0n },
        { kind: 'loan', ltvMaxBps: null },
      ],
    },
  ],
];

test.each(policies)(
  '%s: what the quote calls the largest amount is approved, one cent more is not, also with holds open',
  async (_, fundingPolicy) => {
    const world = await createSpendingWorld(database.superuserUrl, {
      accounts: 2,
      funds: { USDC: 333_333_333n, EURC: 77_777_777n },
      collateral: { WETH: 123_456_789_012_345_678n },
      credit: true,
      fundingPolicy,
    });
    const [first, second] = world.accounts;
    if (!first || !second) throw new Error('no accounts');

    // Both accounts stand alike: one tries a cent too much, the other exactly the amount.
    for (const account of [first, second]) expect((await atRestaurant(account, 1_234n)).outcome).toBe('approved');
    const amount = await largest(world, second);
    expect(amount).toBeGreaterThan(0n);
    expect(await largest(world, first)).toBe(amount);
    expect((await atRestaurant(first, amount + 1n)).outcome).toBe('declined');
    expect((await atRestaurant(second, amount)).outcome).toBe('approved');
    expect(await largest(world, second)).toBeLessThanOrEqual(1n);
  },
);
