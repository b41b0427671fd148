import fc from 'fast-check';
import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { amendAuthorization } from '../../../services/authorizations/amend-authorization';
import { expireAuthorization } from '../../../services/authorizations/expire-authorization';
import { recordCardEvent } from '../../../services/authorizations/record-card-event';
import { countersNow } from '../../../services/cards/rules/limit-counters';
import { createKnex } from '../../../services/database/knex';
import { createProgramUsageSummer } from '../../../services/programs/sum-program-usage';
import { cardEvent, createSpendingWorld, purchase, type WorldAccount } from '../../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;
let superuser: Client;
let pool: Pool;
let knex: Knex;
let workerKnex: Knex;
/** Some of what happens, happens a day before. */
let behindMs = 0;
const clock = { now: () => new Date(Date.now() - behindMs) };
const sealer = testSealer();

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 4 });
  knex = createKnex(database.urls.escudo_app, 4, 'test');
  workerKnex = createKnex(database.urls.escudo_worker, 2, 'test');
});

afterAll(async () => {
  await Promise.all([pool.end(), superuser.end(), knex.destroy(), workerKnex.destroy()]);
  await database.drop();
});

/** What may happen to one purchase. */
type Step =
  | { readonly kind: 'ask' | 'advise' | 'clear' | 'reverse'; readonly cents: number; readonly final?: boolean }
  | { readonly kind: 'expire' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('ask' as const), cents: fc.constantFrom(0, 70, 200, 5_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('advise' as const), cents: fc.constantFrom(0, 100, 400) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('clear' as const),
      cents: fc.constantFrom(0, 30, 90, 500),
      final: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reverse' as const), cents: fc.constantFrom(50, 10_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('expire' as const) }) },
);

/** What limits should count, told by what happened and not by what is stored: each beginning of the purchase, until it ends unspent. */
class Counted {
  amount = 0;
  count = 0;
  private open = false;
  private due = 0;
  private cleared = 0;
  private countedOf = 0;
  private clearedBefore = 0;
  private clearedAlone = false;

  /** What was cleared before the purchase was known is a part of it from now on. */
  link(cents: number): void {
    // It was counted for itself, and so is nothing that was cleared since the purchase was opened.
    if (this.open) this.clearedBefore += cents;
    this.cleared += cents;
    this.countedOf += cents;
  }

  granted(cents: number, isOneMore = true): void {
    if (cents === 0) return;
    if (!this.open) {
      if (isOneMore) {
        this.count += 1;
        this.clearedBefore = this.cleared;
      }
      this.due = 0;
      this.open = true;
    }
    this.due += cents;
    this.counting(Math.max(this.countedOf, this.cleared) + cents);
  }

  clear(cents: number, ends: boolean, known: boolean): void {
    if (!known) {
      this.amount += cents;
      if (cents > 0 && !this.clearedAlone) this.count += 1;
      this.clearedAlone ||= cents > 0;
      return;
    }
    this.cleared += cents;
    this.due = Math.max(this.due - cents, 0);
    if (this.cleared > this.countedOf) {
      if (this.countedOf === 0 && !this.clearedAlone) this.count += 1;
      this.counting(this.cleared);
    }
    if (cents > 0) this.clearedAlone = true;
    if (this.open && ends) this.end();
  }

  giveBack(cents: number): void {
    if (!this.open) return;
    const given = Math.min(cents, this.due);
    this.due -= given;
    this.counting(this.countedOf - given);
    if (this.due === 0) this.end();
  }

  end(): void {
    if (!this.open) return;
    this.open = false;
    this.due = 0;
    if (this.cleared === this.clearedBefore) this.count -= 1;
    this.counting(this.cleared);
  }

  private counting(cents: number): void {
    this.amount += cents - this.countedOf;
    this.countedOf = cents;
  }
}

async function play(steps: readonly Step[], yesterday = 0) {
  const world = await createSpendingWorld(database.superuserUrl, {
    accounts: 1,
    funds: { USDC: 1_000_000_000n },
    policy: {
      limits: { per_transaction_amount: '4000' },
      program_limits: { day_amount: '1000000', day_count: 1_000, headroom_bps: 0, time_zone: 'Etc/UTC' },
    },
  });
  const [account] = world.accounts as [WorldAccount];
  const { organizationId, programId } = world;
  const authorizer = createTestAuthorizer(pool, {
    clock,
    amend: (request, known) => amendAuthorization({ knex, clock, sealer, partner: null }, request, known),
  });
  const first = purchase(account, 0n);
  const rowOf = async () => {
    const { rows } = await superuser.query('SELECT * FROM authorizations WHERE organization_id = $1', [organizationId]);
    return rows[0];
  };
  const counted = new Counted();
  behindMs = yesterday > 0 ? DAY_MS : 0;
  for (const [index, each] of steps.entries()) {
    if (index === yesterday && index > 0) await today(organizationId);
    const messageId = `${first.messageId}-${index}`;
    const before = await rowOf();
    const tell = async (...[kind, more]: [Parameters<typeof cardEvent>[1], Parameters<typeof cardEvent>[2]]) => {
      const event = cardEvent(first, kind, { messageId, effectiveAt: clock.now(), ...more });
      await recordCardEvent({ knex, clock, sealer }, event);
    };
    switch (each.kind) {
      case 'ask': {
        const reply = await authorizer.authorize({
          ...first,
          messageId,
          contentHash: messageId,
          amount: BigInt(each.cents),
          amountBasis: 'delta',
          occurredAt: clock.now(),
          respondBy: new Date(Date.now() + 60_000),
        });
        counted.granted(Number(reply.approvedAmount));
        break;
      }
      case 'advise': {
        await tell('authorization_advice', { amount: BigInt(each.cents) });
        const after = await rowOf();
        if (!after) break;
        const total = (row: typeof after) =>
          row === undefined || !['pending', 'partially_cleared'].includes(row.state)
            ? Number(row?.cleared_amount ?? 0)
            : Math.max(Number(row.approved_amount) - Number(row.reversed_amount), Number(row.cleared_amount));
        const cleared = Number(after.cleared_amount);
        const linked = cleared - Number(before?.cleared_amount ?? 0);
        counted.link(linked);
        const difference = Math.max(each.cents, cleared) - total(before) - linked;
        // The clearing was counted as the purchase that is only known, or approved, by now.
        const isCounted = (before === undefined || before.state === 'declined') && cleared > 0;
        if (difference > 0) counted.granted(difference, !isCounted);
        else if (difference < 0) counted.giveBack(-difference);
        break;
      }
      case 'clear': {
        await tell('clearing', { amount: BigInt(each.cents), final: each.final === true });
        const after = await rowOf();
        const ended = after !== undefined && !['pending', 'partially_cleared'].includes(after.state);
        counted.clear(each.cents, ended, after !== undefined);
        break;
      }
      case 'reverse':
        await tell('reversal', { amount: BigInt(each.cents) });
        counted.giveBack(each.cents);
        break;
      case 'expire': {
        if (!before) break;
        await superuser.query('UPDATE authorizations SET expires_at = $2 WHERE id = $1', [
          before.id,
          new Date(clock.now().getTime() - 1_000),
        ]);
        await expireAuthorization({ knex, clock }, { organizationId, authorizationId: before.id });
        counted.end();
        break;
      }
    }
    // At every step, so that nothing is left over and nothing given back twice on the way.
    expect([index, ...(await countedOn(account))]).toEqual([index, String(counted.amount), counted.count]);
  }
  if (steps.length <= yesterday) await today(organizationId);
  const [amount, count] = yesterday === 0 ? [String(counted.amount), counted.count] : await countedToday(account);
  await createProgramUsageSummer({ workerKnex, clock }).run();
  const { rows } = await superuser.query('SELECT windows FROM program_usage WHERE program_id = $1', [programId]);
  expect(['program', ...rows[0].windows.day.slice(1, 3)]).toEqual(['program', amount, count]);
  // Caps of programs are summed for all there are: only this one's.
  await superuser.query(
    "UPDATE program_policies SET document = document - 'program_limits' WHERE organization_id = $1",
    [organizationId],
  );
}

const DAY_MS = 86_400_000;

/** What has happened was yesterday, also by the database's clock. */
async function today(organizationId: string): Promise<void> {
  behindMs = 0;
  await superuser.query(
    "UPDATE card_transactions SET recorded_at = recorded_at - interval '1 day' WHERE organization_id = $1",
    [organizationId],
  );
}

async function countedToday({ accountId }: WorldAccount): Promise<readonly [string, number]> {
  const { rows } = await superuser.query('SELECT spend_counters FROM accounts WHERE id = $1', [accountId]);
  const { amount, count } = countersNow(rows[0].spend_counters, clock.now(), 'Etc/UTC').day;
  return [String(amount), count];
}

/** Cents and purchases for all time, the same on the account and on its only card. */
async function countedOn({ accountId, cardId }: WorldAccount): Promise<readonly [string, number]> {
  const { rows } = await superuser.query(
    `SELECT a.spend_counters AS account, (SELECT n.windows FROM limit_counters n WHERE n.scope_id = $2) AS card
     FROM accounts a WHERE a.id = $1`,
    [accountId, cardId],
  );
  const [onAccount, onCard] = [rows[0].account, rows[0].card].map(
    (windows) => windows?.all_time.slice(1, 3) ?? ['0', 0],
  );
  expect(onCard).toEqual(onAccount);
  return onAccount;
}

const clear = (cents: number, final = true): Step => ({ kind: 'clear', cents, final });
const ask = (cents: number): Step => ({ kind: 'ask', cents });
const advise = (cents: number): Step => ({ kind: 'advise', cents });
const back: Step = { kind: 'reverse', cents: 10_000 };
const expire: Step = { kind: 'expire' };

test.each<[string, readonly Step[]]>([
  ['expired, cleared late, opened again and taken back', [ask(200), expire, clear(90), advise(160), back]],
  ['cleared, opened again and expired', [ask(200), clear(90), advise(160), expire]],
  ['opened again and cleared for nothing', [ask(200), clear(90), advise(160), clear(0)]],
  ['declined, forced, opened again and taken back', [ask(5_000), clear(90), ask(70), back]],
  ['declined, forced, told of and taken back', [ask(5_000), clear(90), advise(160), back]],
  ['cleared before it was told of, and taken back', [clear(90), advise(160), back]],
  ['cleared before it was asked for, and told of', [clear(90), ask(70), advise(160), back, advise(200)]],
  ['opened again twice, the first time cleared', [ask(200), back, advise(70), clear(30), advise(100), back, clear(30)]],
  ['cleared above its hold, which was raised before', [ask(70), ask(70), clear(500, false), advise(570), back]],
  [
    'cleared before it was told of, cleared, and told of again',
    [clear(30, false), advise(400), clear(90), advise(400), expire],
  ],
  [
    'declined, forced, told of, cleared, and told of again',
    [ask(5_000), clear(90), advise(160), clear(70), advise(400), expire],
  ],
  [
    'cleared before its card was checked, asked for, and told to be no more than that',
    [clear(500, false), ask(0), ask(200), advise(0), ask(0), back],
  ],
  ['cleared before it was asked for, and opened again', [clear(90), ask(70), ask(70), back]],
])('a purchase that was %s', async (_what, steps) => {
  await play(steps);
});

test('any order: the account, its card and the program count what stands', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 9 }), (steps) => play(steps)),
    {
      numRuns: Number(process.env['ORDERS'] ?? 60),
      endOnFailure: false,
    },
  );
}, 600_000);

test('any order over midnight: the program counts of today what the account does', async () => {
  const split = fc.tuple(fc.array(step, { minLength: 2, maxLength: 9 }), fc.integer({ min: 1, max: 6 }));
  await fc.assert(
    fc.asyncProperty(split, ([steps, yesterday]) => play(steps, yesterday)),
    { numRuns: Number(process.env['ORDERS'] ?? 60), endOnFailure: false },
  );
}, 600_000);
