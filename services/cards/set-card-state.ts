import { lockAccount } from '../accounts/account.repository';
import type { Transaction } from '../database/transaction';
import { appendCommand } from '../outbox/append-command';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CardRow, findCard, lockCard, updateCard } from './card.repository';
import { appendCardEvent, type CardEventType } from './card-event';
import { type CardStateEvent, next } from './rules/card-state';

export type RequestedCardState = 'active' | 'paused' | 'closed';

export interface SetCardStateInput {
  readonly organizationId: string;
  readonly cardId: string;
  readonly state: RequestedCardState;
}

const EVENT_FOR: Readonly<Record<RequestedCardState, CardStateEvent>> = {
  active: { kind: 'activate' },
  paused: { kind: 'pause' },
  closed: { kind: 'close' },
};

const TOLD_AS: Readonly<Record<RequestedCardState, CardEventType>> = {
  active: 'card.activated',
  paused: 'card.paused',
  closed: 'card.closed',
};

/**
 * Pauses, activates or closes a card. From this commit on our own decision goes by it; the processor is told afterwards
 * by `cardIssuance`, until its state is ours.
 */
export async function setCardState(
  trx: Transaction,
  _deps: object,
  input: SetCardStateInput,
): Promise<Result<CardRow, Refusal>> {
  const { organizationId, cardId, state } = input;
  const found = await findCard(trx, organizationId, cardId);
  if (found === undefined) return err(refusal('not_found', 'No card of this organization has this id.'));
  await lockAccount(trx, organizationId, found.account_id);
  const card = await lockCard(trx, organizationId, cardId);
  if (card === undefined) return err(refusal('not_found', 'No card of this organization has this id.'));

  const transition = next(card.state, EVENT_FOR[state]);
  if (transition.kind === 'refused')
    return err(refusal('state_conflict', `This is not possible: ${transition.reason}.`));
  if (transition.kind === 'alreadyApplied') return ok(card);

  const changed = await updateCard(trx, organizationId, cardId, { state: transition.state });
  await appendCardEvent(trx, TOLD_AS[state], changed);
  await appendCommand(trx, {
    organizationId,
    workflowType: 'cardIssuance',
    workflowId: `card-issuance:${cardId}`,
    signal: 'cardStateChanged',
    payload: { organizationId, cardId },
  });
  return ok(changed);
}
