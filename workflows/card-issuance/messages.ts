import { defineSignal } from '@temporalio/workflow';
import type { SignalMessage } from '../wake-up';

export interface CardIssuanceInput {
  readonly organizationId: string;
  readonly cardId: string;
}

/** The card's state was changed on our side: the processor is to be told. */
export const cardStateChanged = defineSignal<[SignalMessage]>('cardStateChanged');
