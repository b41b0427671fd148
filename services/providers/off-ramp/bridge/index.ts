import type { OffRamp, OffRampIngress, OffRampSandbox } from '../port';
import { BridgeClient } from './client';
import { createBridgeIngress } from './ingress';

export interface BridgeConfig {
  /** `https://api.bridge.xyz`, or the simulator. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly customerId: string;
  readonly externalAccountId: string;
  /** PEM of the webhook endpoint's public key; `\n` may be written out, or the whole be base64. */
  readonly webhookPublicKey: string;
  /** The chain's name at Bridge; `ethereum` unless told. */
  readonly paymentRail?: string;
  /** The contracted fee in basis points, for quotes; 10 unless told. */
  readonly feeBps?: number;
  /** How long a call may take; 10 s unless told. */
  readonly timeoutMs?: number;
}

/** The Bridge adapter: transfers, webhooks, and the simulator's sandbox. Throws when the public key can't be read. */
export function createBridge(config: BridgeConfig): {
  readonly offRamp: OffRamp;
  readonly ingress: OffRampIngress;
  readonly sandbox: OffRampSandbox;
} {
  const client = new BridgeClient({
    baseUrl: config.baseUrl.replace(/\/+$/, ''),
    apiKey: config.apiKey,
    customerId: config.customerId,
    externalAccountId: config.externalAccountId,
    paymentRail: config.paymentRail ?? 'ethereum',
    feeBps: config.feeBps ?? 10,
    timeoutMs: config.timeoutMs ?? 10_000,
  });
  return { offRamp: client, ingress: createBridgeIngress(config.webhookPublicKey), sandbox: client.sandbox };
}
