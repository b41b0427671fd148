import type { Client } from 'pg';
import { newSecrets } from '../../embedded/secrets';
import type { SweepUnheardAnswersDeps } from '../../services/authorizations/sweep-unheard-answers';
import type { SweepUnheardIncrementsDeps } from '../../services/authorizations/sweep-unheard-increments';
import { createKnex } from '../../services/database/knex';
import { createLithic } from '../../services/providers/processor/lithic';
import { openTestDatabase, type TestDatabase } from '../setup/database';
import { type ApiProcess, startApiProcess } from './api-process';
import { type PlayedNetwork, playNetwork } from './played-network';

export type SweepDeps = SweepUnheardAnswersDeps & SweepUnheardIncrementsDeps;

/** What outlives an api process that is killed: its database, and the network that knows what it heard. */
export interface KilledApiWorld {
  readonly database: TestDatabase;
  readonly superuser: Client;
  readonly network: PlayedNetwork;
  /** One more api process, on the same database and with the same secrets. */
  startApi(): Promise<ApiProcess>;
  /** Sweeps as a worker does, at a time when every answer is long due, until `once` settles nothing more. */
  sweep(once: (deps: SweepDeps) => Promise<number>): Promise<void>;
  end(): Promise<void>;
}

export async function createKilledApiWorld(options: { readonly connections: number }): Promise<KilledApiWorld> {
  const secrets = newSecrets();
  const database = await openTestDatabase();
  const network = await playNetwork();
  const lithic = createLithic({
    baseUrl: network.url,
    apiKey: 'any',
    asaSecrets: [secrets.lithicAsaSecret],
    eventSecrets: [secrets.lithicEventsSecret],
  });
  return {
    database,
    superuser: database.superuser,
    network,
    startApi: () => startApiProcess(database.urls, options.connections, secrets),
    async sweep(once) {
      const knex = createKnex(database.urls.escudo_app, 4, 'killed-api-test');
      const workerKnex = createKnex(database.urls.escudo_worker, 4, 'killed-api-test-scan');
      const clock = { now: () => new Date(Date.now() + 60_000) };
      try {
        for (let settled = 1; settled > 0; ) {
          settled = await once({ knex, workerKnex, clock, processor: lithic.processor });
        }
      } finally {
        await Promise.all([knex.destroy(), workerKnex.destroy()]);
      }
    },
    async end() {
      await lithic.close();
      await network.close();
      await database.drop();
    },
  };
}
