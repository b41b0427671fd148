import type { Knex } from 'knex';
import { Client } from 'pg';
import { fundingLegsOf } from '../../../services/authorizations/authorization.repository';
import { createAuthorizerPool } from '../../../services/authorizations/authorizer-pool';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { createKnex } from '../../../services/database/knex';
import { inOrganization } from '../../../services/database/transaction';
import type { FundingPolicy } from '../../../services/funding/rules/funding-policy';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import { cardEvent, createSpendingWorld, purchase, WORLD_PRICES } from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const BUFFER_BPS = 100n;
const EURC = required(WORLD_PRICES.EURC, 'the price of EURC');
let database: TestDatabase;
let knex: Knex;
let sql: Client;
let pool: ReturnType<typeof createAuthorizerPool>;

beforeAll(async () => {
  database = await createTestDatabase();
  knex = createKnex(database.urls.escudo_app, 2, 'test');
  sql = new Client({ connectionString: database.superuserUrl });
  await sql.connect();
  pool = createAuthorizerPool(database.urls.escudo_authorizer, 2);
});

afterAll(async () => {
  await pool.end();
  await sql.end();
  await knex.destroy();
  await database.drop();
});

async function setPrice(price: bigint): Promise<void> {
  await sql.query("UPDATE asset_prices SET price_usd_e8 = $1 WHERE asset = 'EURC'", [price.toString()]);
}

/** EURC first, USDC behind it: a restaurant's 50 dollars are held with the tip, then cleared at another price of EURC. */
async function clearAtPrice(price: bigint, amount: bigint, parts = 1) {
  const fundingPolicy: FundingPolicy = {
    mode: 'custom',
    sources: [
      { kind: 'stablecoin', asset: 'EURC', keep: 0n },
      { kind: 'stablecoin', asset: 'USDC', keep: 0n },
    ],
  };
  const world = await createSpendingWorld(database.superuserUrl, {
    accounts: 1,
    // As much EURC as the hold takes, so that what is above it has to come from elsewhere.
    funds: { EURC: 56_111_112n, USDC: 100_000_000n },
    fundingPolicy,
    policy: { conversion_buffer_bps: Number(BUFFER_BPS) },
  });
  const account = required(world.accounts[0], 'the account');
  await setPrice(EURC);
  const { merchant } = purchase(account, 5_000n);
  const request = purchase(account, 5_000n, { merchant: { ...merchant, mcc: '5812' } });
  const reply = await createTestAuthorizer(pool).authorize(request);
  const id = required(reply.authorizationId, 'an authorization');
  await setPrice(price);
  for (let part = 1n; part <= BigInt(parts); part += 1n) {
    const share = part === BigInt(parts) ? amount - (amount / BigInt(parts)) * (part - 1n) : amount / BigInt(parts);
    const final = part === BigInt(parts);
    await recordCardEvent(
      { knex, clock: systemClock, sealer: testSealer() },
      cardEvent(request, 'clearing', { amount: share, final }),
    );
  }
  const { organizationId } = world;
  const legs = await inOrganization(knex, organizationId, (trx) => fundingLegsOf(trx, organizationId, [id]));
  const overdue = await sql.query('SELECT overdue_amount FROM accounts WHERE id = $1', [account.accountId]);
  for (const leg of legs) {
    expect(leg.posted_amount + leg.released_amount).toBe(
      leg.hold_transfer_id === null ? leg.posted_amount : leg.held_amount,
    );
    if (leg.hold_transfer_id !== null) expect(leg.posted_usd + leg.released_usd).toBe(leg.held_usd);
  }
  return {
    overdue: BigInt(overdue.rows[0]?.overdue_amount),
    legs: legs.map((leg) => ({
      asset: leg.asset,
      covers: leg.posted_usd,
      tokens: leg.posted_amount,
      held: leg.held_amount,
    })),
  };
}

test.each([
  ['unchanged', EURC],
  ['at the edge of the buffer', (EURC * 10_000n) / (10_000n + BUFFER_BPS) + 1n],
  ['risen', (EURC * 105n) / 100n],
])('price %s: the clearing of the whole hold is funded by the tokens held', async (_, price) => {
  const { legs, overdue } = await clearAtPrice(price, 6_000n);
  expect(legs).toHaveLength(1);
  expect(legs[0]).toMatchObject({ asset: 'EURC', covers: 6_000n });
  expect(legs[0]?.tokens).toBeLessThanOrEqual(legs[0]?.held ?? 0n);
  expect(overdue).toBe(0n);
});

test('a fall beyond the buffer takes a further leg for what the tokens no longer reach', async () => {
  const price = (EURC * 95n) / 100n;
  const { legs, overdue } = await clearAtPrice(price, 6_000n);
  const reach = (56_111_112n * price + 10n ** 12n - 1n) / 10n ** 12n;
  expect(legs).toEqual([
    { asset: 'EURC', covers: reach, tokens: 56_111_112n, held: 56_111_112n },
    { asset: 'USDC', covers: 6_000n - reach, tokens: (6_000n - reach) * 10_000n, held: 0n },
  ]);
  expect(overdue).toBe(0n);
});

test('cleared in parts at a steady price, the rounding of each part costs no further leg', async () => {
  const { legs } = await clearAtPrice(EURC, 6_000n, 7);
  expect(legs.map((leg) => [leg.asset, leg.covers])).toEqual([['EURC', 6_000n]]);
});
