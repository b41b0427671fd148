import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { SignalMessage } from '../wake-up';

export interface SpendAuthorizationInput {
  readonly organizationId: string;
  /** The purchase to follow. */
  readonly authorizationId?: string;
  /** Instead of it: a transaction of the network that no authorization went before. */
  readonly cardTransactionId?: string;
  /** The purchase is yet to be decided: `decide` comes with the start. Says when it is to be funded, if it is approved. */
  readonly asked?: 'clearing' | 'authorization';
}

/** How far the purchase is, as the workflow last saw it in the rows. */
export interface SpendAuthorizationProgress {
  readonly state: string;
  readonly fundingStarted: readonly string[];
  readonly ended: boolean;
}

/** A clearing, reversal, expiry, refund or advice of this purchase was recorded. */
export const cardEvent = defineSignal<[SignalMessage]>('cardEvent');

/** Asks whether the purchase is approved. Request and reply are plain values (services/shared/plain-values.ts). */
export const decide = defineUpdate<unknown, [unknown]>('decide');

export const progress = defineQuery<SpendAuthorizationProgress>('progress');
