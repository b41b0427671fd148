import type { Knex } from 'knex';
import { createKnex } from '../../services/database/knex';
import { systemClock } from '../../services/shared/clock';
import type { JourneyDeps } from '../builders/journey-world';
import { KNOWN_JOURNEYS } from '../builders/known-journeys';
import { heardByLithic, lithicDoor } from '../builders/lithic-door';
import { liveJourneys } from '../builders/live-journeys';
import { journeysAtLithic } from '../builders/model-journey';
import { createSpendingWorld } from '../builders/spending-world';
import { type ApiUnderTest, startApiUnderTest } from '../integration/http/api-under-test';

/** How many journeys; a long run asks for more (and for more time: nothing else bounds it). */
const RUNS = Number(process.env['JOURNEYS'] ?? 60);
const TIME_LIMIT_MS = process.env['JOURNEYS'] === undefined ? 30_000 : 0;
const SEED = Number(process.env['JOURNEY_SEED'] ?? Date.now() % 2 ** 31);

/** The api remembers prices for 100 ms, and the journey before had others. */
const PRICES_FORGOTTEN_MS = 150;

jest.setTimeout(24 * 3_600_000);

let tested: ApiUnderTest;
let knex: Knex;
let deps: JourneyDeps;

beforeAll(async () => {
  tested = await startApiUnderTest();
  const { superuserUrl, urls } = tested.database;
  knex = createKnex(urls.escudo_app, 4, 'card-journeys-over-http-test');
  // For its prices: they are those of every organization.
  await createSpendingWorld(superuserUrl, { accounts: 0 });
  deps = {
    superuser: tested.sql,
    superuserUrl,
    knex,
    clock: systemClock,
    // The api's clock goes on, so that a day may end in the middle of a journey.
    windows: ['all_time'],
    async openDoor() {
      await new Promise((resolve) => setTimeout(resolve, PRICES_FORGOTTEN_MS));
      return lithicDoor(tested);
    },
  };
});

afterAll(async () => {
  await knex.destroy();
  await tested.end();
});

test('any journey of messages through the signed ingress leaves the books sound and every account where the model says', async () => {
  const lived = await liveJourneys({
    name: 'card journeys over http',
    deps,
    journeys: journeysAtLithic,
    known: KNOWN_JOURNEYS,
    seed: SEED,
    runs: RUNS,
    timeLimitMs: TIME_LIMIT_MS,
    heard: heardByLithic,
  });
  expect(lived).toBeGreaterThanOrEqual(Math.min(RUNS, 10));
});
