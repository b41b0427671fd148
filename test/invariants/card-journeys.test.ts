import * as fc from 'fast-check';
import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { amendAuthorization } from '../../services/authorizations/amend-authorization';
import { createKnex } from '../../services/database/knex';
import { required } from '../../services/shared/assert';
import { brokenBooks } from '../builders/books';
import { type JourneyDeps, JourneyWorld, modelPolicy, type Outcome, tampered } from '../builders/journey-world';
import { type Journey, journeys, type Move, type Step, tell } from '../builders/model-journey';
import { ModelSpending, type Reply } from '../builders/model-spending';
import { createSpendingWorld } from '../builders/spending-world';
import { createTestAuthorizer } from '../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../setup/database';

/** How many journeys; a long run asks for more (and for more time: nothing else bounds it). */
const RUNS = Number(process.env['JOURNEYS'] ?? 300);
const TIME_LIMIT_MS = process.env['JOURNEYS'] === undefined ? 75_000 : 0;
const CANDIDATES_MAX = 16;
const SHRINK_LIMIT_MS = 60_000;
const SEED = Number(process.env['JOURNEY_SEED'] ?? Date.now() % 2 ** 31);

jest.setTimeout(24 * 3_600_000);

let database: TestDatabase;
let deps: JourneyDeps;
let pool: Pool;
let superuser: Client;
let knex: Knex;

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 8 });
  knex = createKnex(database.urls.escudo_app, 8, 'card-journeys-test');
  // One moment for everything, so that no window of a limit ends in the middle of a journey.
  const moment = new Date();
  const clock = { now: () => moment };
  const authorizer = () =>
    createTestAuthorizer(pool, {
      clock,
      amend: (request, known) => amendAuthorization({ knex, clock }, request, known),
    });
  // Both coins are worth a dollar here, so that the model can do without prices.
  await createSpendingWorld(database.superuserUrl, { accounts: 0 });
  await superuser.query("UPDATE asset_prices SET price_usd_e8 = 100000000 WHERE asset = 'EURC'");
  deps = { superuser, superuserUrl: database.superuserUrl, knex, clock, authorizers: [authorizer(), authorizer()] };
});

afterAll(async () => {
  await Promise.all(deps.authorizers.map((authorizer) => authorizer.close()));
  await knex.destroy();
  await pool.end();
  await superuser.end();
  await database.drop();
});

/** Journeys that once went wrong, lived through first. */
const KNOWN: readonly Journey[] = [
  {
    // A purchase that ran out, was opened again by the network and ran out again.
    tokens: [
      [100_000_000n, 0n],
      [0n, 0n],
    ],
    limit: null,
    steps: [
      { account: 0, what: { kind: 'authorization', purchase: 0, cents: 1_000n, partial: false } },
      { account: 0, what: { kind: 'expiry', purchase: 0, by: 'us' } },
      { account: 0, what: { kind: 'advice', purchase: 0, cents: 2_000n } },
      { account: 0, what: { kind: 'expiry', purchase: 0, by: 'us' } },
    ].map((move): Step => ({ kind: 'one', move: move as Move })),
  },
];

/** Everything comparable as one text: a difference is then read line by line. */
function text(value: unknown): string {
  return JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? `${each}` : each), 1);
}

/** What may be: the models after what happened, with the answers that go with them. */
interface Possibility {
  readonly models: readonly ModelSpending[];
  readonly outcomes: readonly Outcome[];
}

function expected(reply: Reply | null, move: Move): Outcome {
  if (reply !== null) return { reply };
  const { what } = move;
  const silent = what.kind === 'deposit' || what.kind === 'unheard' || (what.kind === 'expiry' && what.by === 'us');
  return silent ? null : { recorded: 'recorded' };
}

function after(models: readonly ModelSpending[], moves: readonly Move[]): Possibility {
  const next = models.map((model) => model.copy());
  const outcomes = moves.map((move) => expected(required(next[move.account], 'model').happen(move.what), move));
  return { models: next, outcomes };
}

async function live(journey: Journey): Promise<void> {
  const world = await JourneyWorld.open(deps, journey);
  // More than one where things happened at once and either order looks the same from outside, for now.
  let candidates: readonly (readonly ModelSpending[])[] = [
    journey.tokens.map((tokens) => ModelSpending.start(tokens, modelPolicy(journey.limit))),
  ];
  const answers: Outcome[] = [];
  const story: string[] = [];

  for (const step of journey.steps) {
    const before = text(candidates[0]?.map((model) => model.standing()));
    const { expectations, outcomes } = await take(world, answers, step).catch((error: unknown) => {
      const surprise = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Error([...story, `${story.length + 1}. ${tell(step)}`, `BROKE DOWN: ${surprise}`].join('\n'));
    });
    story.push(`${story.length + 1}. ${tell(step)}\n     -> ${text(outcomes).replaceAll(/\s+/g, ' ')}`);
    const standings = await world.standings();
    const seen = text({ outcomes, standings });
    const possible = candidates.flatMap((models) => expectations(models));
    const matching = possible.filter(
      (each) => text({ outcomes: each.outcomes, standings: each.models.map((model) => model.standing()) }) === seen,
    );
    const broken = await brokenBooks(superuser, world.world.organizationId);
    if (matching.length === 0 || broken.length > 0) {
      const wanted = possible.map((each) =>
        text({ outcomes: each.outcomes, standings: each.models.map((model) => model.standing()) }),
      );
      throw new Error(
        [
          `began with ${journey.tokens.map((purse) => purse.join(' + ')).join(' and ')} tokens, limit ${journey.limit ?? 'none'}`,
          ...story,
          ...broken.map((breach) => `BOOKS: ${breach}`),
          ...(matching.length === 0 ? wanted.map((want, index) => differences(want, seen, index)) : []),
          `before the last step: ${before.replaceAll(/\s+/g, ' ')}`,
        ].join('\n'),
      );
    }
    candidates = matching.slice(0, CANDIDATES_MAX).map((each) => each.models);
  }
}

/** What a step came to, and what the model would have come of it. */
interface Taken {
  readonly outcomes: readonly Outcome[];
  readonly expectations: (models: readonly ModelSpending[]) => readonly Possibility[];
}

async function take(world: JourneyWorld, answers: Outcome[], step: Step): Promise<Taken> {
  switch (step.kind) {
    case 'one': {
      const known = world.sent.length;
      const outcome = await world.happen(step.move);
      if (world.sent.length > known) answers.push(outcome);
      return { expectations: (models) => [after(models, [step.move])], outcomes: [outcome] };
    }
    case 'together': {
      const [first, second] = step.moves;
      if (comesByNoMessage(first) || comesByNoMessage(second)) {
        return take(world, answers, { kind: 'one', move: first });
      }
      const outcomes = await Promise.all(step.moves.map((move) => world.send(world.messageOf(move))));
      answers.push(...outcomes);
      const expectations = (models: readonly ModelSpending[]) => {
        const inOrder = after(models, [first, second]);
        const reversed = after(models, [second, first]);
        return [inOrder, { ...reversed, outcomes: reversed.outcomes.toReversed() }];
      };
      return { expectations, outcomes };
    }
    case 'twice': {
      if (comesByNoMessage(step.move)) return take(world, answers, { kind: 'one', move: step.move });
      const message = world.messageOf(step.move);
      const outcomes = await Promise.all([world.send(message), world.deliver(message)]);
      answers.push(outcomes[0]);
      const expectations = (models: readonly ModelSpending[]) => {
        const once = after(models, [step.move]);
        const first = once.outcomes[0] ?? null;
        const second: Outcome = first !== null && 'recorded' in first ? { recorded: 'already_recorded' } : first;
        return [
          { ...once, outcomes: [first, second] },
          { ...once, outcomes: [second, first] },
        ];
      };
      return { expectations, outcomes };
    }
    case 'again':
    case 'changed': {
      if (world.sent.length === 0) return { expectations: (models) => [after(models, [])], outcomes: [] };
      const index = step.nth % world.sent.length;
      const message = required(world.sent[index], 'message');
      const late: Outcome = { reply: { outcome: 'declined', approved: 0n, reason: 'late' } };
      const first = world.isGivenUp(message) ? late : (answers[index] ?? null);
      const outcome = await world.deliver(step.kind === 'again' ? message : tampered(message));
      const refused: Outcome =
        message.kind === 'event'
          ? { recorded: 'conflict' }
          : { reply: { outcome: 'declined', approved: 0n, reason: 'duplicate_conflict' } };
      const same: Outcome = message.kind === 'event' ? { recorded: 'already_recorded' } : first;
      return {
        expectations: (models) => [{ ...after(models, []), outcomes: [step.kind === 'again' ? same : refused] }],
        outcomes: [outcome],
      };
    }
    case 'policy': {
      await world.changeLimit(step.limit);
      const expectations = (models: readonly ModelSpending[]) => {
        const changed = models.map((model) => model.copy());
        for (const model of changed) model.follow(modelPolicy(step.limit));
        return [{ models: changed, outcomes: [] }];
      };
      return { expectations, outcomes: [] };
    }
  }
}

function comesByNoMessage({ what }: Move): boolean {
  return what.kind === 'deposit' || what.kind === 'unheard' || (what.kind === 'expiry' && what.by === 'us');
}

/** The lines that differ, the model's first. */
function differences(wanted: string, seen: string, order: number): string {
  const [a, b] = [wanted.split('\n'), seen.split('\n')];
  const lines: string[] = [];
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    if (a[index] !== b[index]) lines.push(`  model: ${a[index] ?? ''}\n  found: ${b[index] ?? ''}`);
  }
  return `${order === 0 ? 'DIFFERENT' : 'or, in the other order,'}\n${lines.slice(0, 12).join('\n')}`;
}

test('any journey of messages leaves the books sound and every account where the model says', async () => {
  process.stdout.write(`card journeys: seed ${SEED}, up to ${RUNS} of them\n`);
  let lived = 0;
  let underWay: Promise<void> = Promise.resolve();
  const property = fc.asyncProperty(journeys, async (journey) => {
    lived += 1;
    underWay = live(journey);
    await underWay;
  });
  const found = await fc.check(property, {
    numRuns: RUNS,
    seed: SEED,
    examples: KNOWN.map((journey): [Journey] => [journey]),
    endOnFailure: true,
    ...(TIME_LIMIT_MS > 0 ? { interruptAfterTimeLimit: TIME_LIMIT_MS } : {}),
  });
  process.stdout.write(`card journeys: ${lived} lived through\n`);
  if (found.failed && found.counterexamplePath !== null) {
    // Once more from where it failed, made as short as the time allows.
    const path = found.counterexamplePath;
    const shorter = await fc.check(property, { seed: SEED, path, interruptAfterTimeLimit: SHRINK_LIMIT_MS });
    await underWay.catch(() => undefined);
    throw new Error(
      `seed ${SEED}, path ${path}, made shorter ${shorter.numShrinks} times\n${causeOf(shorter) ?? causeOf(found)}`,
    );
  }
  // The time limit does not wait for the journey that it met.
  await underWay;
  expect(lived).toBeGreaterThanOrEqual(Math.min(RUNS, 20));
});

function causeOf(details: fc.RunDetails<[Journey]>): string | null {
  return details.errorInstance instanceof Error ? details.errorInstance.message : null;
}
