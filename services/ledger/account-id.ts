import { createHash } from 'node:crypto';
import type { LedgerAccountRef } from './draft';

/**
 * Id of a ledger account, derived from its name: a writer can name an account without looking it up. The first 16 bytes
 * of SHA-256 over `organization|type|key|asset`, with the bits of a version 8 (custom) UUID.
 */
export function ledgerAccountId(organizationId: string, ref: LedgerAccountRef): string {
  const digest = createHash('sha256')
    .update(`${organizationId.toLowerCase()}|${ref.type}|${ref.key}|${ref.asset}`)
    .digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
