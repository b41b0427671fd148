import { lockAccount } from '../accounts/account.repository';
import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import type { Clock } from '../shared/clock';
import { formatId } from '../shared/ids';
import { type Refusal, refusal } from '../shared/refusal';
import { err, type Result } from '../shared/result';
import { insertAgreement, setAccountAgreement } from './loan.repository';
import { type CreditAgreementView, showCreditAgreement } from './show-credit-agreement';

/**
 * Stores that the cardholder accepted the agreement that is on offer now. The hash must be that of the document shown: if the rate moved
 * in between it is `state_conflict`, and the new document is to be shown. Accepting the same document again changes nothing.
 */
export async function acceptCreditAgreement(
  trx: Transaction,
  deps: { readonly clock: Clock },
  input: {
    readonly organizationId: string;
    readonly accountId: string;
    readonly termsVersion: string;
    readonly documentSha256: string;
  },
): Promise<Result<CreditAgreementView, Refusal>> {
  const { organizationId, accountId } = input;
  const account = await lockAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'No such account.'));
  if (account.state !== 'active') return err(refusal('account_not_active', `The account is ${account.state}.`));
  const shown = await showCreditAgreement(trx, deps, { organizationId, accountId });
  if (!shown.ok) return shown;
  if (shown.value.accepted?.documentSha256 === input.documentSha256) return shown;
  if (input.termsVersion !== shown.value.termsVersion || input.documentSha256 !== shown.value.documentSha256) {
    return err(
      refusal(
        'state_conflict',
        'The agreement has changed since it was shown. Show the cardholder the current document and send its hash.',
        '/document_sha256',
      ),
    );
  }
  const agreement = {
    organization_id: organizationId,
    id: newId(),
    account_id: accountId,
    terms_version: shown.value.termsVersion,
    venue_rate_bps: shown.value.venueRateBps,
    spread_bps: shown.value.spreadBps,
    document_sha256: shown.value.documentSha256,
    accepted_at: deps.clock.now(),
  };
  await insertAgreement(trx, agreement);
  await setAccountAgreement(trx, organizationId, accountId, agreement.id);
  await appendEvent(trx, {
    organizationId,
    type: 'credit_agreement.accepted',
    resourceKind: 'creditAgreement',
    resourceId: agreement.id,
    data: {
      account_id: formatId('account', accountId),
      terms_version: agreement.terms_version,
      venue_rate_bps: agreement.venue_rate_bps,
      spread_bps: agreement.spread_bps,
      document_sha256: agreement.document_sha256,
    },
  });
  return showCreditAgreement(trx, deps, { organizationId, accountId });
}
