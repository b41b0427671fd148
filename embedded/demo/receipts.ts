import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { projectRoot } from '../project-root';
import { DemoFailure } from './demo-failure';
import type { Cardholding } from './journey';
import type { Authorization } from './shapes';

const explanation = z.looseObject({
  text: z.looseObject({ cardholder: z.string(), support: z.string() }),
  checks: z.array(z.looseObject({ check: z.string(), result: z.string() })),
  receipt: z.looseObject({
    verified: z.boolean(),
    same_answer: z.boolean().nullable(),
    problems: z.array(z.string()),
  }),
});

/** Has a decision explained, and verifies its receipt as somebody would who does not trust us: offline, with a script of its own. */
export async function explainPurchase({ api, recorder }: Cardholding, purchase: Authorization): Promise<void> {
  await recorder.run('decision explained, its receipt verified offline', async (note) => {
    const explained = await api.get(explanation, `/v1/authorizations/${purchase.id}/explain`);
    const { verified, same_answer, problems } = explained.receipt;
    if (!verified || same_answer !== true) throw new DemoFailure(`the receipt does not hold: ${problems.join(', ')}`);
    const verdict = await verifiedOffline(
      await api.get(z.unknown(), `/v1/authorizations/${purchase.id}/receipt`),
      await api.get(z.unknown(), '/v1/receipt-keys'),
    );
    const passed = explained.checks.filter((check) => check.result === 'passed').length;
    note({
      cardholder_reads: explained.text.cardholder,
      checks: `${passed} passed, the same answer when decided again`,
      receipt: verdict,
    });
  });
}

async function verifiedOffline(receipt: unknown, keys: unknown): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'escudo-receipt-'));
  try {
    const files = [path.join(folder, 'receipt.json'), path.join(folder, 'keys.json')] as const;
    writeFileSync(files[0], JSON.stringify(receipt));
    writeFileSync(files[1], JSON.stringify(keys));
    const script = path.join(projectRoot, 'scripts', 'verify-receipt.mjs');
    const { stdout } = await promisify(execFile)('node', [script, ...files]);
    return stdout.trim().split('\n').at(-1) ?? '';
  } catch (error) {
    throw new DemoFailure(`the receipt does not verify offline: ${String(error)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
