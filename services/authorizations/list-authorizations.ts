import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import type { AuthorizationRow } from './authorization.repository';

/** Authorizations of the organization, approved and declined, newest first. */
export async function listAuthorizations(
  trx: Transaction,
  input: {
    readonly organizationId: string;
    readonly accountId?: string | undefined;
    readonly cardId?: string | undefined;
    readonly state?: AuthorizationRow['state'] | undefined;
    readonly page: PageRequest;
  },
): Promise<Page<AuthorizationRow>> {
  const { organizationId, accountId, cardId, state, page } = input;
  return findPage<AuthorizationRow>(trx, 'authorizations', organizationId, page, {
    where: { account_id: accountId, card_id: cardId, state },
  });
}
