import type { Knex } from 'knex';
import { Client, Pool } from 'pg';
import { amendAuthorization } from '../../services/authorizations/amend-authorization';
import { recordCardEvent } from '../../services/authorizations/record-card-event';
import { createKnex } from '../../services/database/knex';
import { required } from '../../services/shared/assert';
import type { Clock } from '../../services/shared/clock';
import { type Door, type JourneyDeps, toReply } from '../builders/journey-world';
import { KNOWN_JOURNEYS } from '../builders/known-journeys';
import { liveJourneys } from '../builders/live-journeys';
import { journeys } from '../builders/model-journey';
import { createSpendingWorld } from '../builders/spending-world';
import { createTestAuthorizer, testSealer } from '../builders/test-authorizer';
import { createTestDatabase, type TestDatabase } from '../setup/database';

/** How many journeys; a long run asks for more (and for more time: nothing else bounds it). */
const RUNS = Number(process.env['JOURNEYS'] ?? 300);
const TIME_LIMIT_MS = process.env['JOURNEYS'] === undefined ? 75_000 : 0;
const SEED = Number(process.env['JOURNEY_SEED'] ?? Date.now() % 2 ** 31);

jest.setTimeout(24 * 3_600_000);

let database: TestDatabase;
let deps: JourneyDeps;
let pool: Pool;
let superuser: Client;
let knex: Knex;
const sealer = testSealer();

beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  pool = new Pool({ connectionString: database.urls.escudo_authorizer, max: 8 });
  knex = createKnex(database.urls.escudo_app, 8, 'card-journeys-test');
  // One moment for everything, so that no window of a limit ends in the middle of a journey.
  const moment = new Date();
  const clock = { now: () => moment };
  // For its prices: they are those of every organization.
  await createSpendingWorld(database.superuserUrl, { accounts: 0 });
  const { superuserUrl } = database;
  deps = { superuser, superuserUrl, knex, clock, openDoor: async () => openDoor(clock) };
});

afterAll(async () => {
  await knex.destroy();
  await pool.end();
  await superuser.end();
  await database.drop();
});

/** Straight to two authorizers in turn, each with a memory of its own, as two processes have. */
function openDoor(clock: Clock): Door {
  const later = { knex, clock, sealer, partner: null };
  const authorizers = [0, 1].map(() =>
    createTestAuthorizer(pool, {
      clock,
      // What comes too late is put on record and answered so; that a busy machine gives up before it is no part of the model.
      graceMs: 60_000,
      amend: (request, known) => amendAuthorization(later, request, known),
    }),
  );
  let sent = 0;
  return {
    async request(request) {
      sent += 1;
      const authorizer = required(authorizers[sent % 2], 'authorizer');
      const reply = await authorizer.authorize(request);
      authorizer.answered(request);
      return toReply(reply);
    },
    event: async (event) => (await recordCardEvent(later, event)).kind,
    close: async () => void (await Promise.all(authorizers.map((authorizer) => authorizer.close()))),
  };
}

test('any journey of messages leaves the books sound and every account where the model says', async () => {
  const lived = await liveJourneys({
    name: 'card journeys',
    deps,
    journeys,
    known: KNOWN_JOURNEYS,
    seed: SEED,
    runs: RUNS,
    timeLimitMs: TIME_LIMIT_MS,
  });
  expect(lived).toBeGreaterThanOrEqual(Math.min(RUNS, 20));
});
