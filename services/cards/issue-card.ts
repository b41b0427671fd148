import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { appendCommand } from '../outbox/append-command';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { type CardRow, findIssuableAccount, findIssuableProduct, insertCard } from './card.repository';
import { appendCardEvent } from './card-event';
import type { SpendControls } from './rules/spend-controls';

export interface IssueCardInput {
  readonly organizationId: string;
  readonly accountId: string;
  /** What kind of card of the program it is; its switch is the card's too. */
  readonly productId?: string | undefined;
  /** The product's own where left out, else virtual. */
  readonly kind?: CardRow['kind'] | undefined;
  /** The fintech's own words for the card, not a person's name: it is told to the processor. */
  readonly memo: string;
  readonly controls?: SpendControls | undefined;
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

  const product = await productOf(trx, input, account.program_id);
  if (!product.ok) return product;
  const card = await insertCard(trx, {
    organization_id: organizationId,
    id: newId(),
    account_id: accountId,
    program_id: account.program_id,
    cardholder_id: account.cardholder_id,
    product_id: input.productId ?? null,
    kind: input.kind ?? product.value?.kind ?? 'virtual',
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

async function productOf(
  trx: Transaction,
  input: IssueCardInput,
  programId: string,
): Promise<Result<{ readonly kind: CardRow['kind'] } | null, Refusal>> {
  if (input.productId === undefined) return ok(null);
  const product = await findIssuableProduct(trx, input.organizationId, programId, input.productId);
  if (product === undefined) {
    return err(refusal('not_found', "No card product of the account's program has this id.", '/product_id'));
  }
  if (product.state !== 'active') {
    return err(refusal('product_disabled', 'The card product is switched off.', '/product_id'));
  }
  if (input.kind !== undefined && input.kind !== product.kind) {
    return err(refusal('invalid_parameter', `Cards of this product are ${product.kind}: leave kind out.`, '/kind'));
  }
  return ok(product);
}
