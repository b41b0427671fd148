import { defineSignal } from '@temporalio/workflow';
import type { SignalMessage } from '../wake-up';

export interface BacktestControlsInput {
  readonly organizationId: string;
  readonly backtestId: string;
}

/** Its row changed, or has not moved for long. */
export const backtestChanged = defineSignal<[SignalMessage]>('backtestChanged');
