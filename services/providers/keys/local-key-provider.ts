import { createHmac, hkdfSync } from 'node:crypto';
import { open, seal } from '../../encryption/sealed-box';
import { invariant } from '../../shared/assert';
import type { KeyProvider } from './port';

/**
 * Keys derived from one 32-byte secret of the configuration: one for wrapping, one for blind indexes, so that neither
 * tells anything about the other.
 */
export function createLocalKeyProvider(secret: Buffer): KeyProvider {
  invariant(secret.length === 32, 'the data encryption key has 32 bytes');
  const wrappingKey = derive(secret, 'escudo data key wrapping');
  const indexKey = derive(secret, 'escudo blind index');
  return {
    kind: 'local',
    wrap: async (dataKey) => seal(wrappingKey, dataKey, 'data-key'),
    unwrap: async (wrapped) => open(wrappingKey, wrapped, 'data-key'),
    blindIndex: async (purpose, text) => createHmac('sha256', indexKey).update(`${purpose}\n${text}`).digest(),
  };
}

function derive(secret: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), purpose, 32));
}
