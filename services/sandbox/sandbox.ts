import type { ChainSandbox } from '../chain/port';
import type { KycSandbox } from '../providers/kyc/port';
import type { OffRampSandbox } from '../providers/off-ramp/port';
import type { ProcessorSandbox } from '../providers/processor/port';

/** Powers over the vendors' sandboxes and the development chain. Every effect comes back by the signed ingress or the chain. */
export interface Sandbox {
  readonly processor: ProcessorSandbox;
  readonly kyc: KycSandbox;
  readonly offRamp: OffRampSandbox;
  readonly chain: ChainSandbox;
}
