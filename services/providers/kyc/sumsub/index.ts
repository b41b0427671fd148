import type { KycIngress, KycSandbox, KycVendor } from '../port';
import { SumsubClient } from './client';
import { createSumsubIngress } from './ingress';

export interface SumsubConfig {
  /** `https://api.sumsub.com`, or the simulator. */
  readonly baseUrl: string;
  readonly appToken: string;
  readonly secretKey: string;
  readonly webhookSecret: string;
  /** How long a call may take; 10 s unless told. */
  readonly timeoutMs?: number;
  readonly now?: () => Date;
}

/** The Sumsub adapter: the vendor's API, its webhooks, and its sandbox. */
export function createSumsub(config: SumsubConfig): {
  readonly vendor: KycVendor;
  readonly ingress: KycIngress;
  readonly sandbox: KycSandbox;
} {
  const client = new SumsubClient({
    baseUrl: config.baseUrl.replace(/\/+$/, ''),
    appToken: config.appToken,
    secretKey: config.secretKey,
    timeoutMs: config.timeoutMs ?? 10_000,
    now: config.now ?? (() => new Date()),
  });
  return { vendor: client, ingress: createSumsubIngress(config.webhookSecret), sandbox: client.sandbox };
}
