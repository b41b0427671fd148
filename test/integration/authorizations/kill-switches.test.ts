import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import type { Authorizer } from '../../../services/authorizations/authorize-spend';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { createCardProduct } from '../../../services/card-products/create-card-product';
import { setCardProductState } from '../../../services/card-products/set-card-product-state';
import { createKnex } from '../../../services/database/knex';
import { inOrganization } from '../../../services/database/transaction';
import { setProgramState } from '../../../services/programs/set-program-state';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import {
  cardEvent,
  createSpendingWorld,
  purchase,
  type SpendingWorld,
  type WorldAccount,
} from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;
let superuser: Client;
let knex: Knex;
const pools: Pool[] = [];
const authorizers: Authorizer[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  knex = createKnex(database.urls.escudo_app, 4, 'test');
});

afterAll(async () => {
  await Promise.all(authorizers.map((authorizer) => authorizer.close()));
  await Promise.all(pools.map((pool) => pool.end()));
  await knex.destroy();
  await superuser.end();
  await database.drop();
});

/** As another api process has one: with a memory of its own. */
function newAuthorizer(): Authorizer {
  const pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
  pools.push(pool);
  const authorizer = createTestAuthorizer(pool);
  authorizers.push(authorizer);
  return authorizer;
}

function accountAt(world: SpendingWorld, index: number): WorldAccount {
  return required(world.accounts[index], 'the account');
}

function newWorld(accounts: number): Promise<SpendingWorld> {
  return createSpendingWorld(database.superuserUrl, { accounts, funds: { USDC: 500_000_000n } });
}

function switchProgram({ organizationId, programId }: SpendingWorld, state: 'active' | 'disabled') {
  return inOrganization(knex, organizationId, (trx) =>
    setProgramState(trx, { organizationId, programId, state, reason: 'a test' }),
  );
}

function switchProduct({ organizationId }: SpendingWorld, productId: string, state: 'active' | 'disabled') {
  return inOrganization(knex, organizationId, (trx) =>
    setCardProductState(trx, { organizationId, productId, state, reason: 'a test' }),
  );
}

async function newProduct(world: SpendingWorld, cards: readonly WorldAccount[]): Promise<string> {
  const { organizationId, programId } = world;
  const made = await inOrganization(knex, organizationId, (trx) =>
    createCardProduct(trx, { organizationId, programId, name: 'Metal', kind: 'virtual' }),
  );
  if (!made.ok) throw new Error(made.error.detail);
  await superuser.query('UPDATE cards SET product_id = $1 WHERE id = ANY ($2)', [
    made.value.id,
    cards.map(({ cardId }) => cardId),
  ]);
  return made.value.id;
}

async function heldBy(accountId: string): Promise<bigint> {
  const { rows } = await superuser.query(
    "SELECT pending_debits::text AS held FROM ledger_accounts WHERE account_id = $1 AND type = 'cardholder.funds'",
    [accountId],
  );
  return BigInt(rows[0].held);
}

test('a program that is switched off declines the next purchase in every process, whatever they remember, until it is on', async () => {
  const world = await newWorld(1);
  const account = accountAt(world, 0);
  const processes = [newAuthorizer(), newAuthorizer()];
  for (const each of processes)
    expect(await each.authorize(purchase(account, 100n))).toMatchObject({ outcome: 'approved' });
  const held = await heldBy(account.accountId);
  await switchProgram(world, 'disabled');
  for (const each of processes) {
    expect(await each.authorize(purchase(account, 100n))).toMatchObject({
      outcome: 'declined',
      declineReason: 'program_disabled',
    });
  }
  expect(await heldBy(account.accountId)).toBe(held);
  await switchProgram(world, 'active');
  for (const each of processes)
    expect(await each.authorize(purchase(account, 100n))).toMatchObject({ outcome: 'approved' });
});

test('a kind of card that is switched off declines its own cards and no others', async () => {
  const world = await newWorld(2);
  const [metal, plain] = [accountAt(world, 0), accountAt(world, 1)];
  const productId = await newProduct(world, [metal]);
  const processes = [newAuthorizer(), newAuthorizer()];
  for (const each of processes)
    expect(await each.authorize(purchase(metal, 100n))).toMatchObject({ outcome: 'approved' });
  await switchProduct(world, productId, 'disabled');
  for (const each of processes) {
    expect(await each.authorize(purchase(metal, 100n))).toMatchObject({ declineReason: 'product_disabled' });
    expect(await each.authorize(purchase(plain, 100n))).toMatchObject({ outcome: 'approved' });
  }
  // The program's own switch is named first.
  await switchProgram(world, 'disabled');
  for (const each of processes)
    expect(await each.authorize(purchase(metal, 100n))).toMatchObject({ declineReason: 'program_disabled' });
  await switchProgram(world, 'active');
  await switchProduct(world, productId, 'active');
  for (const each of processes)
    expect(await each.authorize(purchase(metal, 100n))).toMatchObject({ outcome: 'approved' });
});

test('purchases that race with the switch: none that is committed after it is approved', async () => {
  const world = await newWorld(40);
  const authorizer = newAuthorizer();
  // Remembered, so that only the commit can notice.
  for (const account of world.accounts) await authorizer.authorize(purchase(account, 100n));
  const before = world.accounts.slice(0, 20).map((account) => authorizer.authorize(purchase(account, 100n)));
  await switchProgram(world, 'disabled');
  const after = await Promise.all(world.accounts.map((account) => authorizer.authorize(purchase(account, 100n))));
  for (const reply of after) expect(reply).toMatchObject({ declineReason: 'program_disabled' });
  for (const reply of await Promise.all(before)) {
    if (reply.outcome === 'declined') expect(reply.declineReason).toBe('program_disabled');
  }
});

test('while program and product are off, what the network clears, reverses and refunds is posted', async () => {
  const world = await newWorld(1);
  const account = accountAt(world, 0);
  const productId = await newProduct(world, [account]);
  const authorizer = newAuthorizer();
  const [cleared, reversed] = [purchase(account, 1_000n), purchase(account, 2_000n)];
  for (const request of [cleared, reversed]) {
    expect(await authorizer.authorize(request)).toMatchObject({ outcome: 'approved' });
  }
  await switchProduct(world, productId, 'disabled');
  await switchProgram(world, 'disabled');
  const deps = { knex, clock: systemClock, sealer: testSealer() };
  const clearing = cardEvent(cleared, 'clearing');
  expect(await recordCardEvent(deps, clearing)).toMatchObject({ kind: 'recorded' });
  expect(await recordCardEvent(deps, cardEvent(reversed, 'reversal'))).toMatchObject({ kind: 'recorded' });
  expect(await heldBy(account.accountId)).toBe(0n);
  const refund = cardEvent(cleared, 'refund', {
    amount: 400n,
    processorAuthorizationId: 'refund',
    originalProcessorAuthorizationId: cleared.processorAuthorizationId,
  });
  expect(await recordCardEvent(deps, refund)).toMatchObject({ kind: 'recorded' });
  const forced = purchase(account, 300n);
  expect(await recordCardEvent(deps, cardEvent(forced, 'clearing'))).toMatchObject({ kind: 'recorded' });
  const { rows } = await superuser.query(
    'SELECT kind, amount::text FROM card_transactions WHERE account_id = $1 ORDER BY id',
    [account.accountId],
  );
  expect(rows).toEqual([
    { kind: 'clearing', amount: '1000' },
    { kind: 'refund', amount: '400' },
    { kind: expect.stringMatching(/clearing|force/), amount: '300' },
  ]);
});
