import { z } from 'zod';
import { required } from '../../services/shared/assert';

/** Cloned for each test file: the migrated schema without a row of a test. */
export const templateDatabase = 'escudo_template';

const VARIABLE = 'ESCUDO_TEST_SERVERS';

const testServers = z.object({
  postgres: z
    .object({
      superuserUrl: z.string(),
      passwords: z.object({
        escudo_migrator: z.string(),
        escudo_app: z.string(),
        escudo_authorizer: z.string(),
        escudo_worker: z.string(),
        escudo_readonly: z.string(),
      }),
    })
    .optional(),
  temporal: z.object({ address: z.string() }).optional(),
  anvil: z.object({ rpcUrl: z.string(), deploymentFile: z.string() }).optional(),
});

export type TestServers = z.infer<typeof testServers>;

/** Passes the addresses on to the test processes, which inherit the environment. */
export function describeTestServers(servers: TestServers): void {
  process.env[VARIABLE] = JSON.stringify(servers);
}

/** Where the shared servers are. */
export function sharedTestServers(): TestServers {
  return testServers.parse(JSON.parse(required(process.env[VARIABLE], 'the shared test servers')));
}

/** Returns what the set-up started, or throws with the mend when it did not. */
export function started<T>(server: T | undefined, name: string): T {
  return required(server, `the shared ${name} server (see the project's globalSetup in jest.config.js)`);
}
