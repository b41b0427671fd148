import { lockAccount } from '../accounts/account.repository';
import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CardRow, findCard, lockCard, updateCard } from './card.repository';
import { appendCardEvent } from './card-event';
import type { PendingControls, SpendControls } from './rules/spend-controls';

export interface UpdateCardControlsInput {
  readonly organizationId: string;
  readonly cardId: string;
  /** The whole new set: what is left out is no longer restricted. */
  readonly controls: SpendControls;
  /** What takes their place later; what was waiting before is forgotten. */
  readonly pending?: PendingControls | null;
}

/** Replaces a card's controls; the next authorization goes by them. */
export async function updateCardControls(
  trx: Transaction,
  _deps: object,
  input: UpdateCardControlsInput,
): Promise<Result<CardRow, Refusal>> {
  const { organizationId, cardId, controls } = input;
  const found = await findCard(trx, organizationId, cardId);
  if (found === undefined) return err(refusal('not_found', 'No card of this organization has this id.'));
  await lockAccount(trx, organizationId, found.account_id);
  const card = await lockCard(trx, organizationId, cardId);
  if (card === undefined) return err(refusal('not_found', 'No card of this organization has this id.'));
  if (card.state === 'closed') return err(refusal('state_conflict', 'The card is closed.'));

  const changed = await updateCard(trx, organizationId, cardId, {
    controls,
    controls_version: card.controls_version + 1,
    pending_controls: input.pending ?? null,
  });
  await appendCardEvent(trx, 'card.controls_changed', changed);
  return ok(changed);
}
