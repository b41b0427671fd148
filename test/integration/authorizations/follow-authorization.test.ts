import type { Knex } from 'knex';
import { Pool } from 'pg';
import type { Authorizer } from '../../../services/authorizations/authorize-spend';
import { followAuthorization } from '../../../services/authorizations/follow-authorization';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { sweepExpiredHolds } from '../../../services/authorizations/sweep-expired-holds';
import { createKnex } from '../../../services/database/knex';
import { sweepOverdue } from '../../../services/funding/sweep-overdue';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import { cardEvent, createSpendingWorld, purchase } from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const DAY_MS = 86_400_000;

let database: TestDatabase;
let pool: Pool;
let knex: Knex;
let workerKnex: Knex;
let superuser: Knex;
let authorizer: Authorizer;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 2 });
  knex = createKnex(database.urls.escudo_app, 4, 'follow-test');
  workerKnex = createKnex(database.urls.escudo_worker, 2, 'follow-test-worker');
  superuser = createKnex(database.superuserUrl, 2, 'follow-test-superuser');
  authorizer = createTestAuthorizer(pool);
});

afterAll(async () => {
  await Promise.all([knex.destroy(), workerKnex.destroy(), superuser.destroy()]);
  await pool.end();
  await database.drop();
});

async function approved(amount = 4_250n) {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 500_000_000n } });
  const { organizationId } = world;
  const request = purchase(required(world.accounts[0], 'account'), amount);
  const reply = await authorizer.authorize(request);
  expect(reply.outcome).toBe('approved');
  const authorizationId = required(reply.authorizationId, 'authorization id');
  const at = (ahead: number) => ({ knex, clock: { now: () => new Date(Date.now() + ahead) } });
  return {
    organizationId,
    authorizationId,
    request,
    look: (ahead = 0, look = 0) => followAuthorization(at(ahead), { organizationId, authorizationId }, look),
    clear: () => recordCardEvent({ ...at(0), sealer: testSealer() }, cardEvent(request, 'clearing')),
    expiresAt: async () =>
      required(
        (await superuser('authorizations').where({ id: authorizationId }).first<{ expires_at: Date }>('expires_at'))
          ?.expires_at,
        'deadline',
      ),
  };
}

describe('following a purchase', () => {
  it('waits for the deadline of its hold, and ends the hold when it has passed', async () => {
    const purchased = await approved();
    const untilDeadline = (await purchased.expiresAt()).getTime() - Date.now();
    const before = await purchased.look();
    expect(before).toMatchObject({ state: 'pending', done: false, postingsToFund: [] });
    // At most a day, so that a hold without a deadline is looked at as well.
    expect(before.waitMs).toBeLessThanOrEqual(Math.min(DAY_MS, untilDeadline));
    expect(await purchased.look(untilDeadline - 60_000)).toMatchObject({ state: 'pending', done: false });
    expect(await purchased.look(untilDeadline + 1_000)).toMatchObject({ state: 'expired', done: true });
    expect(await purchased.look(untilDeadline + 1_000, 1)).toMatchObject({ state: 'expired', done: true });
  });

  it('names what is to be funded until it is', async () => {
    const purchased = await approved();
    await purchased.clear();
    const posting = required(
      await superuser('leg_postings').where({ organization_id: purchased.organizationId }).first<{ id: string }>('id'),
      'posting',
    );
    const sale = { postingId: posting.id, workflowType: 'fundSale', workflowId: `sale:${posting.id}` };
    expect(await purchased.look()).toMatchObject({ state: 'cleared', done: false, postingsToFund: [sale] });
    await superuser('leg_postings').where({ id: posting.id }).update({ state: 'funding' });
    expect(await purchased.look()).toMatchObject({ done: false, postingsToFund: [sale] });
    await superuser('leg_postings').where({ id: posting.id }).update({ state: 'funded' });
    expect(await purchased.look()).toMatchObject({ state: 'cleared', done: true, postingsToFund: [] });
  });

  it('looks less often the longer the funding takes', async () => {
    const purchased = await approved();
    await purchased.clear();
    const waits = [];
    for (const look of [0, 1, 2, 20]) waits.push((await purchased.look(0, look)).waitMs);
    expect(waits).toEqual([2_000, 4_000, 8_000, 300_000]);
  });

  it('funds a clearing that comes after the hold has expired', async () => {
    const purchased = await approved();
    const untilDeadline = (await purchased.expiresAt()).getTime() - Date.now();
    expect(await purchased.look(untilDeadline + 1_000)).toMatchObject({ done: true });
    await purchased.clear();
    const after = await purchased.look();
    expect(after).toMatchObject({ done: false });
    expect(after.postingsToFund).toHaveLength(1);
  });

  it('follows a transaction that no authorization went before', async () => {
    const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 500_000_000n } });
    const request = purchase(required(world.accounts[0], 'account'), 1_000n);
    const recorded = await recordCardEvent(
      { knex, clock: systemClock, sealer: testSealer() },
      cardEvent(request, 'clearing'),
    );
    if (recorded.kind !== 'recorded') throw new Error(recorded.kind);
    const { organizationId } = world;
    const cardTransactionId = required(recorded.cardTransactionId, 'transaction');
    const look = () => followAuthorization({ knex, clock: systemClock }, { organizationId, cardTransactionId }, 0);
    expect((await look()).postingsToFund).toHaveLength(1);
    await superuser('leg_postings').where({ organization_id: organizationId }).update({ state: 'funded' });
    expect(await look()).toMatchObject({ state: 'posted', done: true });
  });

  it('the sweeper ends holds of all organizations that no alarm reached, and only those', async () => {
    const [late, other, early] = [await approved(), await approved(), await approved()];
    const past = new Date(Date.now() - 60_000);
    await superuser('authorizations')
      .whereIn('id', [late.authorizationId, other.authorizationId])
      .update({ expires_at: past });
    await sweepExpiredHolds({ knex, workerKnex, clock: systemClock });
    const states = await superuser('authorizations')
      .whereIn('id', [late.authorizationId, other.authorizationId, early.authorizationId])
      .orderBy('id')
      .pluck('state');
    expect(states).toEqual(['expired', 'expired', 'pending']);
    expect(await sweepExpiredHolds({ knex, workerKnex, clock: systemClock })).toBe(0);
  });

  it('what is overdue is collected from funds that a hold gave back later, once', async () => {
    const purchased = await approved(45_000n);
    const { organizationId } = purchased;
    const forced = { processorAuthorizationId: 'stand-in', amount: 10_000n };
    await recordCardEvent(
      { knex, clock: systemClock, sealer: testSealer() },
      cardEvent(purchased.request, 'clearing', forced),
    );
    const overdue = async () =>
      required(
        await superuser('accounts').where({ organization_id: organizationId }).first<{ overdue_amount: bigint }>(),
        'account',
      ).overdue_amount;
    const uncovered = await overdue();
    expect(uncovered).toBeGreaterThan(0n);
    const sweep = () =>
      sweepOverdue({
        knex,
        workerKnex,
        clock: systemClock,
        offRampVendor: 'bridge',
        failed: (_account, error) => {
          throw error;
        },
      });
    const sales = () =>
      superuser('sale_orders').where({ organization_id: organizationId }).select('asset', 'covers_usd', 'state');
    await sweep();
    expect(await sales()).toEqual([]);
    await recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, cardEvent(purchased.request, 'reversal'));
    await Promise.all([sweep(), sweep()]);
    await sweep();
    expect(await sales()).toEqual([{ asset: 'USDC', covers_usd: uncovered, state: 'requested' }]);
    // It falls when the sale pays out.
    expect(await overdue()).toBe(uncovered);
  });
});
