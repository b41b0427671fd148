import type { Page, PageRequest } from '../database/page';
import { findPage } from '../database/page.repository';
import type { Transaction } from '../database/transaction';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import type { AmendmentRow } from './amendment.repository';
import { findAuthorization } from './authorization.repository';

/** What later messages made of an authorization, approved and declined, newest first, or `not_found`. */
export async function listAmendments(
  trx: Transaction,
  input: { readonly organizationId: string; readonly authorizationId: string; readonly page: PageRequest },
): Promise<Result<Page<AmendmentRow>, Refusal>> {
  const { organizationId, authorizationId, page } = input;
  if ((await findAuthorization(trx, organizationId, authorizationId)) === null) {
    return err(refusal('not_found', 'there is no authorization with this id'));
  }
  return ok(
    await findPage<AmendmentRow>(trx, 'authorization_amendments', organizationId, page, {
      where: { authorization_id: authorizationId },
    }),
  );
}
