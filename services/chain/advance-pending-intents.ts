import type { ChainTransactionSender, PendingIntent } from './port';

export interface AdvanceReport {
  readonly advanced: number;
  readonly failed: number;
}

/**
 * Looks once at every intent that is not final: the sweeper behind workflows that died or never looked. One that throws does
 * not keep the others from their turn; `onError` hears of it.
 */
export async function advancePendingIntents(
  sender: ChainTransactionSender,
  onError: (intent: PendingIntent, error: unknown) => void,
): Promise<AdvanceReport> {
  let advanced = 0;
  let failed = 0;
  for (const intent of await sender.pendingIntents()) {
    try {
      await sender.advance(intent.organizationId, intent.intentKey);
      advanced += 1;
    } catch (error) {
      failed += 1;
      onError(intent, error);
    }
  }
  return { advanced, failed };
}
