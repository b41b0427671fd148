import { defineSignal } from '@temporalio/workflow';
import type { SignalMessage } from '../wake-up';

export interface DrawLoanInput {
  readonly organizationId: string;
  readonly postingId: string;
}

/** The off-ramp says that something changed: the order is to be looked at. */
export const offRampHint = defineSignal<[SignalMessage]>('offRampHint');
