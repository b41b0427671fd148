import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { SignalMessage } from '../wake-up';

export interface SpendAuthorizationInput {
  readonly organizationId: string;
  /** The purchase to follow. */
  readonly authorizationId?: string;
  /** Instead of it: a transaction of the network that no authorization went before. */
  readonly cardTransactionId?: string;
}

/** How far the purchase is, as the workflow last saw it in the rows. */
export interface SpendAuthorizationProgress {
  readonly state: string;
  readonly fundingStarted: readonly string[];
  readonly ended: boolean;
}

/** A clearing, reversal, expiry, refund or advice of this purchase was recorded. */
export const cardEvent = defineSignal<[SignalMessage]>('cardEvent');

export const progress = defineQuery<SpendAuthorizationProgress>('progress');
