import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { appendCommand } from '../outbox/append-command';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CardRow, findIssuableAccount, insertCard } from './card.repository';
import { appendCardEvent } from './card-event';
import type { CardControls } from './rules/spend-controls';

export interface IssueCardInput {
  readonly organizationId: string;
  readonly accountId: string;
  readonly kind: 'virtual' | 'physical';
  /** The fintech's own words for the card, not a person's name: it is told to the processor. */
  readonly memo: string;
  readonly controls?: CardControls | undefined;
}

/** Issues a card on an account: it is `pending` until the processor has made it, which `cardIssuance` sees to. */
export async function issueCard(
  trx: Transaction,
  _deps: object,
  input: IssueCardInput,
): Promise<Result<CardRow, Refusal>> {
  const { organizationId, accountId } = input;
  const account = await findIssuableAccount(trx, organizationId, accountId);
  if (account === undefined)
    return err(refusal('not_found', 'No account of this organization has this id.', '/account_id'));
  if (account.program_state !== 'active') return err(refusal('program_disabled', 'The program is switched off.'));
  if (account.account_state !== 'active') {
    return err(refusal('account_not_active', `The account is ${account.account_state}; cards need an active one.`));
  }
  if (account.kyc_state !== 'approved') {
    return err(
      refusal('kyc_not_approved', `The cardholder's verification is ${account.kyc_state}; it must be approved.`),
    );
  }

  const card = await insertCard(trx, {
    organization_id: organizationId,
    id: newId(),
    account_id: accountId,
    program_id: account.program_id,
    cardholder_id: account.cardholder_id,
    kind: input.kind,
    memo: input.memo,
    processor: account.processor,
    controls: input.controls ?? {},
  });
  await appendCardEvent(trx, 'card.created', card);
  await appendCommand(trx, {
    organizationId,
    workflowType: 'cardIssuance',
    workflowId: `card-issuance:${card.id}`,
    payload: { organizationId, cardId: card.id },
  });
  return ok(card);
}
