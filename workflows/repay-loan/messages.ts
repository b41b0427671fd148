import { defineSignal } from '@temporalio/workflow';
import type { SignalMessage } from '../wake-up';

export interface RepayLoanInput {
  readonly organizationId: string;
  readonly repaymentId: string;
}

/** What the repayment waited for may be there. */
export const repaymentChanged = defineSignal<[SignalMessage]>('repaymentChanged');
