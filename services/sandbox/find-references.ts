import type { Knex } from 'knex';
import { findAccount } from '../accounts/account.repository';
import { showAuthorization } from '../authorizations/show-authorization';
import { showCard } from '../cards/show-card';
import { findPage } from '../database/page.repository';
import { inOrganization } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';

/** What the vendor calls a card that it has made. */
export async function findCardToken(
  knex: Knex,
  organizationId: string,
  cardId: string,
): Promise<Result<string, Refusal>> {
  const card = await inOrganization(knex, organizationId, (trx) => showCard(trx, { organizationId, cardId }));
  if (!card.ok) return err(refusal('not_found', 'there is no card with this id', '/card_id'));
  if (card.value.card_token === null) {
    return err(refusal('state_conflict', 'the processor has not made this card yet: wait for card.issued', '/card_id'));
  }
  return ok(card.value.card_token);
}

/** What the vendor calls the purchase behind an authorization, and the card it was made with. */
export async function findPurchase(
  knex: Knex,
  organizationId: string,
  authorizationId: string,
): Promise<Result<{ readonly processorAuthorizationId: string; readonly cardId: string }, Refusal>> {
  const found = await inOrganization(knex, organizationId, (trx) =>
    showAuthorization(trx, { organizationId, authorizationId }),
  );
  if (!found.ok) return err(refusal('not_found', 'there is no authorization with this id', '/authorization_id'));
  return ok({
    processorAuthorizationId: found.value.authorization.processor_authorization_id,
    cardId: found.value.authorization.card_id,
  });
}

/** Our authorization of a purchase, once the processor has asked for it. */
export async function findAuthorizationId(
  knex: Knex,
  organizationId: string,
  processorAuthorizationId: string,
): Promise<string | null> {
  const page = await inOrganization(knex, organizationId, (trx) =>
    findPage<{ readonly id: string }>(
      trx,
      'authorizations',
      organizationId,
      { limit: 1 },
      {
        where: { processor_authorization_id: processorAuthorizationId },
      },
    ),
  );
  return page.data[0]?.id ?? null;
}

/** Where deposits of an account arrive. */
export async function findAccountAddress(
  knex: Knex,
  organizationId: string,
  accountId: string,
): Promise<Result<string, Refusal>> {
  const account = await inOrganization(knex, organizationId, (trx) => findAccount(trx, organizationId, accountId));
  if (account === undefined) return err(refusal('not_found', 'there is no account with this id', '/account_id'));
  return account.address === null
    ? err(refusal('state_conflict', 'the account has no address yet'))
    : ok(account.address);
}
