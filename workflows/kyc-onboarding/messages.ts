import { defineSignal } from '@temporalio/workflow';
import type { SignalMessage } from '../wake-up';

export interface KycOnboardingInput {
  readonly organizationId: string;
  readonly cardholderId: string;
}

/** The vendor says that something changed: only a hint, the verdict is fetched. */
export const kycHint = defineSignal<[SignalMessage]>('kycHint');

/** Documents were handed in (again). */
export const documentsSubmitted = defineSignal<[SignalMessage]>('documentsSubmitted');
