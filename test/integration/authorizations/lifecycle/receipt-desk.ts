import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import request from 'supertest';
import { type ReplayedDecision, replayDecisions } from '../../../../services/authorizations/replay-decisions';
import { createKnex } from '../../../../services/database/knex';
import { formatId } from '../../../../services/shared/ids';
import { OPERATOR_KEY } from '../../http/api-under-test';
import type { Cardholder, Lifecycle } from './network';

const SCRIPT = path.resolve(__dirname, '../../../../scripts/verify-receipt.mjs');
const DAY_MS = 86_400_000;

/** What a test does with receipts: takes their decisions again, reads them over the API, verifies them without us. */
export interface ReceiptDesk {
  replayed(holder: Cardholder): Promise<readonly ReplayedDecision[]>;
  /** Every decision of the holder comes out the same, and its seal fits; returns how many were about a known purchase. */
  sameAgain(holder: Cardholder): Promise<number>;
  /** A key of the holder's organization that may read. */
  keyOf(holder: Cardholder): Promise<string>;
  get(key: string, route: string): request.Test;
  verifyOffline(receipt: unknown, keys: unknown): { readonly status: number | null; readonly text: string };
  end(): Promise<void>;
}

export function openReceiptDesk(network: Lifecycle): ReceiptDesk {
  const readonly = createKnex(network.tested.database.urls.escudo_readonly, 1, 'receipt-desk');
  const folder = mkdtempSync(path.join(tmpdir(), 'escudo-receipts-'));

  async function replayed({ organizationId }: Cardholder): Promise<readonly ReplayedDecision[]> {
    const found: ReplayedDecision[] = [];
    const range = { from: new Date(Date.now() - DAY_MS), to: new Date(Date.now() + DAY_MS) };
    for await (const decision of replayDecisions(readonly, { kind: 'range', ...range, organizationId })) {
      found.push(decision);
    }
    return found;
  }

  return {
    replayed,
    async sameAgain(holder) {
      const all = await replayed(holder);
      expect(all.filter(({ answer, seal }) => answer !== 'same' || seal !== 'verified')).toEqual([]);
      return all.filter(({ amendmentId }) => amendmentId !== null).length;
    },
    async keyOf({ organizationId }) {
      const answer = await request(network.tested.url)
        .post(`/v1/organizations/${formatId('organization', organizationId)}/api-keys`)
        .set('Authorization', `Bearer ${OPERATOR_KEY}`)
        .set('Idempotency-Key', `key-${organizationId}`)
        .send({ label: 'Receipts', scopes: ['read'] })
        .expect(201);
      return answer.body.secret;
    },
    get: (key, route) => request(network.tested.url).get(route).set('Authorization', `Bearer ${key}`),
    verifyOffline(receipt, keys) {
      const files = [path.join(folder, 'receipt.json'), path.join(folder, 'keys.json')] as const;
      writeFileSync(files[0], JSON.stringify(receipt));
      writeFileSync(files[1], JSON.stringify(keys));
      const { status, stdout } = spawnSync('node', [SCRIPT, ...files], { encoding: 'utf8' });
      return { status, text: stdout };
    },
    async end() {
      rmSync(folder, { recursive: true, force: true });
      await readonly.destroy();
    },
  };
}
