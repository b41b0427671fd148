import { defineSignal } from '@temporalio/workflow';
import type { SignalMessage } from '../wake-up';

export interface MoveCollateralInput {
  readonly organizationId: string;
  readonly operationId: string;
}

/** What the operation waited for may be there. */
export const collateralChanged = defineSignal<[SignalMessage]>('collateralChanged');
