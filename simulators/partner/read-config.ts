import { z } from 'zod';
import type { PartnerConfig } from './app';

const environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(4040),
  DATA_FILE: z.string().min(1),
});

/** Reads the simulator's settings, reporting every problem at once. */
export function readConfig(env: NodeJS.ProcessEnv): PartnerConfig {
  const parsed = environment.safeParse(env);
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  return { host: parsed.data.HOST, port: parsed.data.PORT, dataFile: parsed.data.DATA_FILE };
}
