import { createHash } from 'node:crypto';
import { findAccount } from '../accounts/account.repository';
import type { Transaction } from '../database/transaction';
import { readReserve } from '../pricing/price.repository';
import { required } from '../shared/assert';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { findAgreement, readProgramTerms } from './loan.repository';
import { agreementDocument, CREDIT_TERMS_VERSION } from './rules/agreement-document';
import { rateBpsRoundUp } from './rules/interest';

/** The agreement on offer, and the one that was accepted, if any. Rates are yearly basis points. */
export interface CreditAgreementView {
  readonly termsVersion: string;
  readonly borrowAsset: string;
  readonly venueRateBps: number;
  readonly spreadBps: number;
  readonly document: string;
  readonly documentSha256: string;
  readonly accepted: {
    readonly id: string;
    readonly termsVersion: string;
    readonly venueRateBps: number;
    readonly spreadBps: number;
    readonly documentSha256: string;
    readonly acceptedAt: Date;
  } | null;
}

/**
 * The credit agreement with the rate as it stands now, which a cardholder accepts before the first draw. Refuses with `credit_not_enabled`
 * where the program does not lend, and with `price_unavailable` while the venue's rate is not known.
 */
export async function showCreditAgreement(
  trx: Transaction,
  _deps: object,
  input: { readonly organizationId: string; readonly accountId: string },
): Promise<Result<CreditAgreementView, Refusal>> {
  const { organizationId, accountId } = input;
  const account = await findAccount(trx, organizationId, accountId);
  if (account === undefined) return err(refusal('not_found', 'No such account.'));
  const terms = required(await readProgramTerms(trx, organizationId, account.program_id), 'program of an account');
  const credit = terms.policy.credit;
  if (!credit.enabled) return err(refusal('credit_not_enabled', "This account's program does not offer credit."));
  const reserve = await readReserve(trx, credit.venue, credit.borrow_asset);
  if (reserve === null) {
    return err(refusal('price_unavailable', 'The lending rate has not been read yet. Try again in a few seconds.'));
  }
  const venueRateBps = rateBpsRoundUp(reserve.borrowRateRay);
  const document = agreementDocument({
    borrowAsset: credit.borrow_asset,
    venueRateBps,
    spreadBps: credit.spread_bps,
    collateral: credit.collateral,
  });
  const agreement =
    account.credit_agreement_id === null
      ? null
      : required(await findAgreement(trx, organizationId, account.credit_agreement_id), 'accepted agreement');
  return ok({
    termsVersion: CREDIT_TERMS_VERSION,
    borrowAsset: credit.borrow_asset,
    venueRateBps,
    spreadBps: credit.spread_bps,
    document,
    documentSha256: createHash('sha256').update(document).digest('hex'),
    accepted:
      agreement === null
        ? null
        : {
            id: agreement.id,
            termsVersion: agreement.terms_version,
            venueRateBps: agreement.venue_rate_bps,
            spreadBps: agreement.spread_bps,
            documentSha256: agreement.document_sha256,
            acceptedAt: agreement.accepted_at,
          },
  });
}
