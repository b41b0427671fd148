import { readFileSync } from 'node:fs';
import { getAddress, isAddress } from 'viem';
import { z } from 'zod';
import type { ChainDeployment } from './port';

const address = z
  .string()
  .refine((text) => isAddress(text, { strict: false }), 'not an address')
  .transform((text) => getAddress(text));

const deploymentSchema = z.object({
  chainId: z.int().positive(),
  rpcUrl: z.url(),
  confirmations: z.int().min(1),
  tokens: z.record(z.string(), z.object({ address, decimals: z.int().min(0).max(36) })),
  feeds: z.record(z.string(), address),
  aave: z.object({ pool: address, poolAddressesProvider: address, poolDataProvider: address, oracle: address }),
  sandbox: z.object({ faucet: address, feedOwner: address }).optional(),
});

/**
 * Checks a parsed deployment document and spells its addresses by EIP-55. Throws with every problem in the message. Keys it
 * does not know are left out,
 * because the embedded stack keeps notes of its own in the same file.
 */
export function parseDeployment(document: unknown): ChainDeployment {
  const parsed = deploymentSchema.safeParse(document);
  if (!parsed.success) throw new Error(`chain deployment is not usable: ${z.prettifyError(parsed.error)}`);
  const { sandbox, ...rest } = parsed.data;
  return sandbox === undefined ? rest : { ...rest, sandbox };
}

/** Reads and checks `CHAIN_DEPLOYMENT_FILE`. Throws when it can't be read or is not usable. */
export function loadDeployment(path: string): ChainDeployment {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`chain deployment ${path} can't be read`, { cause: error });
  }
  return parseDeployment(document);
}
