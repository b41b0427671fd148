import { z } from 'zod';
import type { CardNetworkConfig } from './app';

const environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(4010),
  DATA_FILE: z.string().min(1),
  LITHIC_API_KEY: z.string().min(1),
  LITHIC_ASA_SECRET: z.string().startsWith('whsec_'),
  LITHIC_EVENTS_SECRET: z.string().startsWith('whsec_'),
  ASA_URL: z.url().optional(),
  EVENTS_URL: z.url().optional(),
  /** Lithic declines after six seconds without an answer. */
  ASA_TIMEOUT_MS: z.coerce.number().int().min(10).max(60_000).default(6_000),
  BANK_BASE_URL: z.url().optional(),
  BANK_API_KEY: z.string().min(1).optional(),
  BANK_ACCOUNT_ID: z.string().min(1).optional(),
});

/** Reads the simulator's settings, reporting every problem at once. */
export function readConfig(env: NodeJS.ProcessEnv): CardNetworkConfig {
  const parsed = environment.safeParse(env);
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  const values = parsed.data;
  const { BANK_BASE_URL: baseUrl, BANK_API_KEY: apiKey, BANK_ACCOUNT_ID: accountId } = values;
  return {
    host: values.HOST,
    port: values.PORT,
    dataFile: values.DATA_FILE,
    apiKey: values.LITHIC_API_KEY,
    asaSecret: values.LITHIC_ASA_SECRET,
    eventsSecret: values.LITHIC_EVENTS_SECRET,
    asaUrl: values.ASA_URL ?? null,
    eventsUrl: values.EVENTS_URL ?? null,
    asaTimeoutMs: values.ASA_TIMEOUT_MS,
    bank:
      baseUrl !== undefined && apiKey !== undefined && accountId !== undefined ? { baseUrl, apiKey, accountId } : null,
  };
}
