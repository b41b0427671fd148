import type { Processor, ProcessorIngress, ProcessorSandbox } from '../port';
import { createLithicClient } from './client';
import { createLithicIngress } from './ingress';
import { createLithicProcessor, type LithicProgram } from './processor';
import { createLithicSandbox } from './sandbox';

interface LithicConfig extends Partial<LithicProgram> {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** `whsec_…`, the newest first; the one before stays listed for the 24 h that a rotation takes. */
  readonly asaSecrets: readonly string[];
  readonly eventSecrets: readonly string[];
}

export interface Lithic {
  readonly processor: Processor;
  readonly ingress: ProcessorIngress;
  readonly sandbox: ProcessorSandbox;
  /** Closes the connections to Lithic. */
  close(): Promise<void>;
}

/** Everything we have with Lithic. The sandbox speaks to a simulator: it is to be offered only where one stands behind `baseUrl`. */
export function createLithic(config: LithicConfig): Lithic {
  const client = createLithicClient(config);
  return {
    processor: createLithicProcessor(client, {
      network: config.network ?? 'unknown',
      currency: config.currency ?? 'USD',
    }),
    ingress: createLithicIngress(config),
    sandbox: createLithicSandbox(client),
    close: () => client.close(),
  };
}
