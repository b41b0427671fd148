import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { OffRampVendorConfig } from './app';

const environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(4030),
  DATA_FILE: z.string().min(1),
  BRIDGE_API_KEY: z.string().min(1),
  BRIDGE_CUSTOMER_ID: z.string().min(1),
  BRIDGE_EXTERNAL_ACCOUNT_ID: z.string().min(1),
  BANK_API_KEY: z.string().min(1),
  BANK_ACCOUNT_ID: z.string().min(1),
  WEBHOOK_URL: z.url(),
  WEBHOOK_PRIVATE_KEY: z.string().min(1),
  RPC_URL: z.url().optional(),
  CHAIN_DEPLOYMENT_FILE: z.string().min(1),
  STEP_MS: z.coerce.number().int().min(0).default(150),
});

const deployment = z.looseObject({
  rpcUrl: z.url(),
  confirmations: z.number().int().min(1),
  tokens: z.record(
    z.string(),
    z.looseObject({
      address: z.templateLiteral(['0x', z.string().regex(/^[0-9a-fA-F]{40}$/)]),
      decimals: z.number().int(),
    }),
  ),
});

const CURRENCIES = ['USDC', 'EURC'] as const;

/** Reads the simulator's settings and the deployment file, reporting every problem at once. */
export function readConfig(env: NodeJS.ProcessEnv): OffRampVendorConfig {
  const parsed = environment.safeParse(env);
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  const values = parsed.data;
  const chain = deployment.parse(JSON.parse(readFileSync(values.CHAIN_DEPLOYMENT_FILE, 'utf8')));
  const tokens = Object.fromEntries(
    CURRENCIES.flatMap((code) => {
      const token = chain.tokens[code];
      return token === undefined
        ? []
        : [[code.toLowerCase(), { address: token.address, decimals: token.decimals }] as const];
    }),
  );
  return {
    host: values.HOST,
    port: values.PORT,
    dataFile: values.DATA_FILE,
    apiKey: values.BRIDGE_API_KEY,
    customerId: values.BRIDGE_CUSTOMER_ID,
    externalAccountId: values.BRIDGE_EXTERNAL_ACCOUNT_ID,
    bankApiKey: values.BANK_API_KEY,
    bankAccountId: values.BANK_ACCOUNT_ID,
    webhookUrl: values.WEBHOOK_URL,
    webhookPrivateKey: values.WEBHOOK_PRIVATE_KEY,
    rpcUrl: values.RPC_URL ?? chain.rpcUrl,
    tokens,
    confirmations: chain.confirmations,
    stepMs: values.STEP_MS,
  };
}
