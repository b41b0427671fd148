import { randomUUID } from 'node:crypto';
import { Client, Pool } from 'pg';
import { newId } from '../../../services/database/new-id';
import { createSpendingWorld, purchase, type WorldAccount } from '../../builders/spending-world';
import { createTestAuthorizer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;
let superuser: Client;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
});

afterAll(async () => {
  await pool.end();
  await superuser.end();
  await database.drop();
});

/** One more active card of an account. */
async function addCard(organizationId: string, programId: string, account: WorldAccount): Promise<WorldAccount> {
  const card = { ...account, cardId: newId(), cardToken: randomUUID() };
  await superuser.query(
    `INSERT INTO cards (organization_id, id, account_id, program_id, cardholder_id, state, processor, card_token, last_four, network, expiry_month, expiry_year)
     VALUES ($1, $2, $3, $4, $5, 'active', 'lithic', $6, '4242', 'visa', 12, 2099)`,
    [organizationId, card.cardId, card.accountId, programId, card.cardholderId, card.cardToken],
  );
  await superuser.query(
    "INSERT INTO card_routes (vendor, card_token, organization_id, card_id, account_id) VALUES ('lithic', $1, $2, $3, $4)",
    [card.cardToken, organizationId, card.cardId, card.accountId],
  );
  return card;
}

test('a card of a disabled product is refused also after a sibling was read since', async () => {
  const authorizer = createTestAuthorizer(pool, {});
  const funds = { USDC: 500_000_000n };
  const { organizationId, programId, accounts } = await createSpendingWorld(database.superuserUrl, {
    accounts: 1,
    funds,
  });
  const [first] = accounts;
  if (!first) throw new Error('no account');
  const second = await addCard(organizationId, programId, first);
  const productId = newId();
  await superuser.query(
    "INSERT INTO card_products (organization_id, id, program_id, name) VALUES ($1, $2, $3, 'Gold')",
    [organizationId, productId, programId],
  );
  await superuser.query('UPDATE cards SET product_id = $1 WHERE id = $2', [productId, first.cardId]);
  expect((await authorizer.authorize(purchase(first, 1_000n))).outcome).toBe('approved');

  await superuser.query("UPDATE card_products SET state = 'disabled' WHERE id = $1", [productId]);
  expect((await authorizer.authorize(purchase(second, 1_000n))).outcome).toBe('approved');
  expect((await authorizer.authorize(purchase(first, 1_000n))).declineReason).toBe('product_disabled');
});
