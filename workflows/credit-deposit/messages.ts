import { defineSignal } from '@temporalio/workflow';
import type { SignalMessage } from '../wake-up';

export interface CreditDepositInput {
  readonly organizationId: string;
  readonly depositId: string;
}

/** The deposit was seen again, in another block. */
export const depositSeen = defineSignal<[SignalMessage]>('depositSeen');
