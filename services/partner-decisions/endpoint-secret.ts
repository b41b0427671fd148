import { randomBytes } from 'node:crypto';
import { open, seal } from '../encryption/sealed-box';
import type { KeyProvider } from '../providers/keys/port';

const SECRET_BYTES = 32;

/** A new secret in the form of Standard Webhooks. */
export function newEndpointSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
}

interface Owner {
  readonly organizationId: string;
  readonly endpointId: string;
}

/** Encrypts the first secret of an endpoint under a new data key. */
export async function sealFirstSecret(
  keys: KeyProvider,
  owner: Owner,
  secret: string,
): Promise<{ readonly data_key: Buffer; readonly secret: Buffer }> {
  const dataKey = randomBytes(32);
  return {
    data_key: await keys.wrap(dataKey),
    secret: seal(dataKey, Buffer.from(secret), contextOf(owner)),
  };
}

/** Encrypts a further secret under the endpoint's data key. */
export async function sealNextSecret(
  keys: KeyProvider,
  owner: Owner,
  wrappedKey: Buffer,
  secret: string,
): Promise<Buffer> {
  return seal(await keys.unwrap(wrappedKey), Buffer.from(secret), contextOf(owner));
}

/** Throws when a secret was sealed for another endpoint. */
export async function openSecrets(
  keys: KeyProvider,
  owner: Owner,
  wrappedKey: Buffer,
  sealed: readonly Buffer[],
): Promise<readonly string[]> {
  const dataKey = await keys.unwrap(wrappedKey);
  return sealed.map((each) => open(dataKey, each, contextOf(owner)).toString('utf8'));
}

function contextOf({ organizationId, endpointId }: Owner): string {
  return `${organizationId}\npartner_endpoints.secret\n${endpointId}`;
}
