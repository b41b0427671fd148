import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import type { Authorizer } from '../../../services/authorizations/authorize-spend';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { sweepUnheardAnswers } from '../../../services/authorizations/sweep-unheard-answers';
import { voidUnheardAuthorization } from '../../../services/authorizations/void-unheard-authorization';
import { createKnex } from '../../../services/database/knex';
import { newId } from '../../../services/database/new-id';
import type { AuthorizationRequest, RequestStanding, VendorOutcome } from '../../../services/providers/processor/port';
import { required } from '../../../services/shared/assert';
import { systemClock } from '../../../services/shared/clock';
import { brokenBooks } from '../../builders/books';
import { cardEvent, createSpendingWorld, purchase } from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

const USDC = 1_000_000n;
const SECOND = 1_000;
const says = (value: RequestStanding): VendorOutcome<RequestStanding> => ({ kind: 'ok', value });
const NO_ANSWER: VendorOutcome<RequestStanding> = { kind: 'unknown', detail: 'no answer in time' };

let database: TestDatabase;
let superuser: Client;
let pool: Pool;
let knex: Knex;
let workerKnex: Knex;
let authorizer: Authorizer;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
  knex = createKnex(database.urls.escudo_app, 8, 'unheard-answers-test');
  workerKnex = createKnex(database.urls.escudo_worker, 4, 'unheard-answers-test-scan');
  authorizer = createTestAuthorizer(pool);
});

afterAll(async () => {
  await Promise.all([knex.destroy(), workerKnex.destroy()]);
  await pool.end();
  await superuser.end();
  await database.drop();
});

/** An account with 500 USDC that made one purchase of 20.00 already, which stays. */
async function account() {
  const world = await createSpendingWorld(database.superuserUrl, { accounts: 1, funds: { USDC: 500n * USDC } });
  const holder = required(world.accounts[0], 'account');
  const { organizationId } = world;
  const row = async <T>(sql: string): Promise<T> =>
    required((await superuser.query(sql, [organizationId])).rows[0], sql) as T;
  const approve = async (amount: bigint) => {
    const request = purchase(holder, amount);
    const reply = await authorizer.authorize(request);
    expect(reply.outcome).toBe('approved');
    return { request, authorizationId: required(reply.authorizationId, 'authorization id') };
  };
  await approve(2_000n);
  const standing = () =>
    row<Record<string, unknown>>(
      `SELECT a.spend_counters, (SELECT windows FROM limit_counters c WHERE c.account_id = a.id) AS card_counters, a.loan_hold,
         (SELECT pending_debits FROM ledger_accounts WHERE account_id = a.id AND type = 'cardholder.funds') AS held
       FROM accounts a WHERE a.organization_id = $1`,
    );
  return {
    ...holder,
    organizationId,
    approve,
    standing,
    void: (authorizationId: string, standing: 'declined' | 'not_recorded' = 'declined') =>
      voidUnheardAuthorization({ knex, clock: systemClock }, { organizationId, authorizationId, standing }),
    record: (
      request: AuthorizationRequest,
      ...rest: Parameters<typeof cardEvent> extends [unknown, ...infer R] ? R : never
    ) => recordCardEvent({ knex, clock: systemClock, sealer: testSealer() }, cardEvent(request, ...rest)),
    state: async (authorizationId: string) =>
      (await superuser.query('SELECT state, reversed_amount FROM authorizations WHERE id = $1', [authorizationId]))
        .rows[0],
    sound: async () => expect(await brokenBooks(superuser, organizationId)).toEqual([]),
  };
}

describe('an approval that the network never heard', () => {
  test('gives back the hold and the use of limits wholly, and says so once', async () => {
    const a = await account();
    const before = await a.standing();
    const { authorizationId } = await a.approve(1_000n);
    expect(await a.standing()).not.toEqual(before);

    expect(await a.void(authorizationId)).toEqual({ kind: 'voided' });
    expect(await a.standing()).toEqual(before);
    expect(await a.state(authorizationId)).toEqual({ state: 'reversed', reversed_amount: 1_000n });

    expect(await a.void(authorizationId)).toEqual({ kind: 'ended' });
    expect(await a.standing()).toEqual(before);
    const events = await superuser.query(
      "SELECT type, data->>'reason' AS reason, data->>'state' AS state FROM events WHERE resource_id = $1 AND type = 'authorization.reversed'",
      [authorizationId],
    );
    expect(events.rows).toEqual([{ type: 'authorization.reversed', reason: 'answer_not_heard', state: 'reversed' }]);
    const commands = await superuser.query(
      'SELECT workflow_id FROM outbox_commands WHERE signal IS NOT NULL AND organization_id = $1',
      [a.organizationId],
    );
    expect(commands.rows).toEqual([{ workflow_id: `authorization:${authorizationId}` }]);
    await a.sound();
  });

  test('is no longer an approval for whoever asks the same again', async () => {
    const a = await account();
    const { request, authorizationId } = await a.approve(1_000n);
    expect(await authorizer.authorize(request)).toMatchObject({ outcome: 'approved', authorizationId });
    await a.void(authorizationId);
    const late = { outcome: 'declined', approvedAmount: 0n, declineReason: 'late', authorizationId };
    expect(await authorizer.authorize(request)).toMatchObject(late);
    expect(await authorizer.authorize({ ...request, contentHash: 'other' })).toMatchObject({
      declineReason: 'duplicate_conflict',
    });
    await a.sound();
  });

  test('moves the account’s version, so that nothing is decided on the hold any more', async () => {
    const a = await account();
    const { authorizationId } = await a.approve(1_000n);
    const version = async () =>
      (await superuser.query('SELECT version FROM accounts WHERE id = $1', [a.accountId])).rows[0].version;
    const before = await version();
    await a.void(authorizationId);
    expect(await version()).toBeGreaterThan(before);
  });

  test('stays held once the network has spoken of it, where it may only have been late to record it', async () => {
    const a = await account();
    const { request, authorizationId } = await a.approve(1_000n);
    await a.record(request, 'reversal', { amount: 400n });
    const cleared = await a.approve(1_000n);
    await a.record(cleared.request, 'clearing', { amount: 300n, final: false });
    const before = await a.standing();
    expect(await a.void(authorizationId, 'not_recorded')).toEqual({ kind: 'confirmed' });
    expect(await a.void(cleared.authorizationId, 'not_recorded')).toEqual({ kind: 'confirmed' });
    expect(await a.standing()).toEqual(before);
    await a.sound();
  });

  test('stays held once the network has told what the purchase comes to, whatever it made of the request', async () => {
    const a = await account();
    const { request, authorizationId } = await a.approve(500n);
    await a.record(request, 'authorization_advice', { amount: 500n });
    const before = await a.standing();
    for (const standing of ['declined', 'not_recorded'] as const) {
      expect(await a.void(authorizationId, standing)).toEqual({ kind: 'confirmed' });
    }
    expect(await a.standing()).toEqual(before);
  });

  test('goes back as far as it is still held where the network declined it and spoke of the purchase since', async () => {
    const a = await account();
    const before = await a.standing();
    const { request, authorizationId } = await a.approve(1_000n);
    await a.record(request, 'reversal', { amount: 400n });
    expect(await a.void(authorizationId)).toEqual({ kind: 'voided' });
    expect(await a.state(authorizationId)).toEqual({ state: 'reversed', reversed_amount: 1_000n });
    expect(await a.standing()).toEqual(before);

    const cleared = await a.approve(1_000n);
    await a.record(cleared.request, 'clearing', { amount: 300n, final: false });
    expect(await a.void(cleared.authorizationId)).toEqual({ kind: 'voided' });
    expect(await a.state(cleared.authorizationId)).toEqual({ state: 'cleared', reversed_amount: 700n });
    expect((await a.standing()).held).toEqual(before.held);
    expect(await a.void(cleared.authorizationId)).toEqual({ kind: 'ended' });
    await a.sound();
  });

  test('is left alone where it has ended, or is not there', async () => {
    const a = await account();
    const taken = await a.approve(500n);
    await a.record(taken.request, 'reversal');
    expect(await a.void(taken.authorizationId)).toEqual({ kind: 'ended' });
    expect(await a.void(newId())).toEqual({ kind: 'unknown' });
    await a.sound();
  });

  test('and a clearing at the same moment: the clearing posts in full whichever comes first, and nothing stays held', async () => {
    const a = await account();
    const before = await a.standing();
    const rounds = 12;
    for (let round = 0; round < rounds; round += 1) {
      const { request, authorizationId } = await a.approve(1_000n);
      const tasks = [() => a.void(authorizationId), () => a.record(request, 'clearing')];
      const [first, second] = await Promise.all((round % 2 === 0 ? tasks : tasks.reverse()).map((task) => task()));
      expect([first?.kind, second?.kind]).toContain('recorded');
      expect(['cleared', 'reversed']).toContain((await a.state(authorizationId)).state);
    }
    expect((await a.standing()).held).toEqual(before.held);
    const cleared = await superuser.query(
      "SELECT count(*)::int AS n, sum(amount) AS amount FROM card_transactions WHERE organization_id = $1 AND kind = 'clearing'",
      [a.organizationId],
    );
    expect(cleared.rows).toEqual([{ n: rounds, amount: BigInt(rounds) * 1_000n }]);
    await a.sound();
  });

  test('and two that find it at once: it is given back once', async () => {
    const a = await account();
    const before = await a.standing();
    const { authorizationId } = await a.approve(1_000n);
    const kinds = (await Promise.all([1, 2, 3, 4].map(() => a.void(authorizationId)))).map(({ kind }) => kind);
    expect(kinds.sort()).toEqual(['ended', 'ended', 'ended', 'voided']);
    expect(await a.standing()).toEqual(before);
    await a.sound();
  });
});

describe('batches that nobody marked as answered', () => {
  let asked: string[];
  let answers: Map<string, VendorOutcome<RequestStanding>>;

  beforeEach(async () => {
    asked = [];
    answers = new Map();
    await superuser.query('UPDATE outbox_batches SET answered_at = now()');
  });

  /** Puts the holds into one batch whose answers were due at `respondBy`. */
  async function batch(organizationId: string, authorizationIds: readonly string[], respondBy: Date): Promise<string> {
    await superuser.query('UPDATE outbox_batches SET answered_at = now() WHERE answered_at IS NULL AND asked = 0');
    const id = newId();
    await superuser.query('INSERT INTO outbox_batches (id, holds, respond_by) VALUES ($1, $2, $3)', [
      id,
      JSON.stringify(authorizationIds.map((authorizationId) => [organizationId, authorizationId])),
      respondBy,
    ]);
    return id;
  }

  const sweep = (now: Date) =>
    sweepUnheardAnswers({
      knex,
      workerKnex,
      clock: { now: () => now },
      processor: {
        vendor: 'lithic',
        findRequest: async ({ messageId, opens }) => {
          expect(opens).toBe(true);
          asked.push(messageId);
          return answers.get(messageId) ?? NO_ANSWER;
        },
      },
    });
  const later = (start: Date, seconds: number) => new Date(start.getTime() + seconds * SECOND);
  const resolved = async (id: string) =>
    (await superuser.query('SELECT resolved_at IS NOT NULL AS resolved FROM outbox_batches WHERE id = $1', [id]))
      .rows[0].resolved;

  test('keep what the processor approved and give back what it declined', async () => {
    const a = await account();
    const kept = await a.approve(1_000n);
    const before = await a.standing();
    const declined = await a.approve(700n);
    const due = new Date();
    const id = await batch(a.organizationId, [kept.authorizationId, declined.authorizationId], due);
    answers.set(kept.request.messageId, says('approved'));
    answers.set(declined.request.messageId, says('declined'));

    expect(await sweep(later(due, 4))).toBe(0);
    expect(asked).toEqual([]);
    expect(await sweep(later(due, 6))).toBe(1);
    expect((await a.state(kept.authorizationId)).state).toBe('pending');
    expect((await a.state(declined.authorizationId)).state).toBe('reversed');
    expect(await a.standing()).toEqual(before);
    expect(await resolved(id)).toBe(true);

    expect(await sweep(later(due, 600))).toBe(0);
    expect(asked).toHaveLength(2);
    await a.sound();
  });

  test('that were answered are not asked after', async () => {
    const a = await account();
    const { authorizationId } = await a.approve(1_000n);
    const due = new Date();
    const id = await batch(a.organizationId, [authorizationId], due);
    await superuser.query('UPDATE outbox_batches SET answered_at = now() WHERE id = $1', [id]);
    expect(await sweep(later(due, 600))).toBe(0);
    expect(asked).toEqual([]);
  });

  test('wait for a processor that does not know the purchase yet, and give it back when it never will', async () => {
    const a = await account();
    const before = await a.standing();
    const { request, authorizationId } = await a.approve(1_000n);
    const due = new Date();
    const id = await batch(a.organizationId, [authorizationId], due);
    answers.set(request.messageId, says('not_recorded'));
    expect(await sweep(later(due, 6))).toBe(0);
    expect((await a.state(authorizationId)).state).toBe('pending');
    expect(await resolved(id)).toBe(false);
    expect(await sweep(later(due, 21))).toBe(1);
    expect((await a.state(authorizationId)).state).toBe('reversed');
    expect(await a.standing()).toEqual(before);
    await a.sound();
  });

  test('are asked after again, ever more patiently, while the processor does not answer', async () => {
    const a = await account();
    const { request, authorizationId } = await a.approve(1_000n);
    const due = new Date();
    const id = await batch(a.organizationId, [authorizationId], due);
    const times: number[] = [];
    for (let second = 6; second <= 120; second += 1) {
      const soFar = asked.length;
      await sweep(later(due, second));
      if (asked.length > soFar) times.push(second);
    }
    expect(times).toEqual([6, 11, 21, 41, 81]);
    expect((await a.state(authorizationId)).state).toBe('pending');
    expect(await resolved(id)).toBe(false);

    answers.set(request.messageId, says('declined'));
    expect(await sweep(later(due, 600))).toBe(1);
    expect((await a.state(authorizationId)).state).toBe('reversed');
    await a.sound();
  });

  test('do not ask about what was cleared or given back since', async () => {
    const a = await account();
    const cleared = await a.approve(1_000n);
    const reversed = await a.approve(700n);
    await a.record(cleared.request, 'clearing');
    await a.record(reversed.request, 'reversal');
    const due = new Date();
    const id = await batch(a.organizationId, [cleared.authorizationId, reversed.authorizationId], due);
    expect(await sweep(later(due, 6))).toBe(1);
    expect(asked).toEqual([]);
    expect(await resolved(id)).toBe(true);
  });

  test('are asked after once by two workers at the same time', async () => {
    const a = await account();
    const { request, authorizationId } = await a.approve(1_000n);
    const due = new Date();
    await batch(a.organizationId, [authorizationId], due);
    answers.set(request.messageId, says('declined'));
    const settled = await Promise.all([sweep(later(due, 6)), sweep(later(due, 6)), sweep(later(due, 6))]);
    expect(settled.sort()).toEqual([0, 0, 1]);
    expect(asked).toHaveLength(1);
  });

  test('one that fails keeps no other waiting', async () => {
    const a = await account();
    const bad = await a.approve(1_000n);
    const good = await a.approve(700n);
    const due = new Date();
    await batch(a.organizationId, [bad.authorizationId, good.authorizationId], due);
    answers.set(good.request.messageId, says('declined'));
    const run = sweepUnheardAnswers({
      knex,
      workerKnex,
      clock: { now: () => later(due, 6) },
      processor: {
        vendor: 'lithic',
        findRequest: async ({ messageId }) => {
          if (messageId === bad.request.messageId) throw new Error('surprise');
          return says('declined');
        },
      },
    });
    await expect(run).rejects.toThrow('surprise');
    expect((await a.state(good.authorizationId)).state).toBe('reversed');
    expect((await a.state(bad.authorizationId)).state).toBe('pending');
  });
});
