import { z } from 'zod';
import type { KycVendorConfig } from './app';

const environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(4020),
  DATA_FILE: z.string().min(1),
  SUMSUB_APP_TOKEN: z.string().min(1),
  SUMSUB_SECRET_KEY: z.string().min(1),
  SUMSUB_WEBHOOK_SECRET: z.string().min(1),
  SUMSUB_LEVEL_NAME: z.string().min(1),
  WEBHOOK_URL: z.url(),
  DECISION_DELAY_MS: z.coerce.number().int().min(0).default(300),
});

/** Reads the simulator's settings, reporting every problem at once. */
export function readConfig(env: NodeJS.ProcessEnv): KycVendorConfig {
  const parsed = environment.safeParse(env);
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  const values = parsed.data;
  return {
    host: values.HOST,
    port: values.PORT,
    dataFile: values.DATA_FILE,
    appToken: values.SUMSUB_APP_TOKEN,
    secretKey: values.SUMSUB_SECRET_KEY,
    webhookSecret: values.SUMSUB_WEBHOOK_SECRET,
    webhookUrl: values.WEBHOOK_URL,
    levelNames: [values.SUMSUB_LEVEL_NAME],
    decisionDelayMs: values.DECISION_DELAY_MS,
  };
}
