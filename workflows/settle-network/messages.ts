import { defineSignal } from '@temporalio/workflow';
import type { SignalMessage } from '../wake-up';

export interface SettleNetworkInput {
  readonly organizationId: string;
  readonly settlementId: string;
}

/** Something that this settlement waits for may have happened: a late clearing, the bank's entry, or an operator asks. */
export const settlementChanged = defineSignal<[SignalMessage]>('settlementChanged');
