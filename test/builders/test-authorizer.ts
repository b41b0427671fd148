import { generateKeyPairSync } from 'node:crypto';
import type { Pool } from 'pg';
import { type AuthorizerDependencies, createAuthorizer } from '../../services/authorizations/authorize-spend';
import { createReceiptSealer } from '../../services/receipts/seal-receipts';
import { systemClock } from '../../services/shared/clock';

/** A sealer with a key of its own. */
export function testSealer() {
  return createReceiptSealer({ keyId: 'test-key', privateKey: generateKeyPairSync('ed25519').privateKey });
}

/** An authorizer for tests: what it is not given, it refuses to need. */
export function createTestAuthorizer(pool: Pool, overrides: Partial<AuthorizerDependencies> = {}) {
  return createAuthorizer({
    pool,
    clock: systemClock,
    limits: { inFlightMax: 2, besideFrom: 0, batchMax: 64, waitingMax: 1_000 },
    accountsKeptMax: 1_000,
    graceMs: 250,
    sealer: testSealer(),
    amend: () => Promise.reject(new Error('this test does not change known purchases')),
    partner: null,
    ...overrides,
    observer: {
      decided: () => undefined,
      batchRan: () => undefined,
      conflicting: () => undefined,
      failed: (error) => {
        throw error;
      },
      ...overrides.observer,
    },
  });
}
