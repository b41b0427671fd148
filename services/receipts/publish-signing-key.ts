import type { Knex } from 'knex';
import { putKeyInUse } from './receipt.repository';
import type { SigningKey } from './signing-key';

/**
 * Makes the public half of the key known before anything is signed with it. A key that was in use before is retired, and
 * kept: what it signed is verified with it for as long as receipts are.
 */
export async function publishSigningKey(knex: Knex, key: SigningKey): Promise<void> {
  await putKeyInUse(knex, key.keyId, key.publicKey);
}
