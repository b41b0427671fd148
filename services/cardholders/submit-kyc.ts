import { newId } from '../database/new-id';
import type { Transaction } from '../database/transaction';
import { routeVendorMessages } from '../inbox/route-vendor-messages';
import { appendCommand } from '../outbox/append-command';
import type { KeyProvider } from '../providers/keys/port';
import type { KycDocument, KycVendor } from '../providers/kyc/port';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import {
  insertKycDocument,
  lockAccountsOfCardholder,
  lockCardholder,
  openSubmission,
  updateKycState,
} from './cardholder.repository';
import { appendCardholderEvent } from './cardholder-event';
import { type CardholderView, toCardholderView } from './cardholder-view';
import { sealDocument } from './personal-data';
import { next } from './rules/kyc-state';

export interface SubmitKycDeps {
  readonly keys: KeyProvider;
  readonly kyc: Pick<KycVendor, 'vendor'>;
}

export interface SubmitKycInput {
  readonly organizationId: string;
  readonly cardholderId: string;
  readonly documents: readonly KycDocument[];
}

/**
 * Takes a cardholder's documents in (again) and has them reviewed. They are stored encrypted until the vendor holds
 * them, then emptied. Returns at once with the verification `pending`; `kycOnboarding` does the rest.
 */
export async function submitKyc(
  trx: Transaction,
  deps: SubmitKycDeps,
  input: SubmitKycInput,
): Promise<Result<CardholderView, Refusal>> {
  const { organizationId, cardholderId, documents } = input;
  if (documents.length === 0)
    return err(refusal('invalid_parameter', 'At least one document is needed.', '/documents'));
  await lockAccountsOfCardholder(trx, organizationId, cardholderId);
  const cardholder = await lockCardholder(trx, organizationId, cardholderId);
  if (cardholder === undefined) return err(refusal('not_found', 'No cardholder of this organization has this id.'));
  const transition = next(cardholder.kyc_state, 'submitted');
  // Documents that are on their way are one submission; a second set has to wait for the verdict on the first.
  if (transition.kind !== 'changed') {
    const reason = transition.kind === 'refused' ? transition.reason : 'documents are being delivered already';
    return err(refusal('state_conflict', `This is not possible: ${reason}.`));
  }

  const kycCase = await openSubmission(trx, { id: newId(), organizationId, cardholderId, vendor: deps.kyc.vendor });
  for (const document of documents) {
    const id = newId();
    await insertKycDocument(trx, {
      organization_id: organizationId,
      id,
      cardholder_id: cardholderId,
      submission: kycCase.submission,
      type: document.type,
      country: document.country,
      file_name: document.fileName,
      content_type: document.contentType,
      content: await sealDocument(
        deps.keys,
        cardholder.personal_data_key,
        { organizationId, documentId: id },
        document.content,
      ),
    });
  }
  // The vendor carries our cardholder id, so its first message finds its way even before we know its own id.
  await routeVendorMessages(trx, {
    vendor: deps.kyc.vendor,
    reference: cardholderId,
    organizationId,
    resourceId: cardholderId,
  });
  const changed = await updateKycState(trx, organizationId, cardholderId, transition.state);
  await appendCardholderEvent(trx, 'cardholder.kyc.submitted', changed, kycCase);
  await appendCommand(trx, {
    organizationId,
    workflowType: 'kycOnboarding',
    workflowId: `kyc:${cardholderId}`,
    signal: 'documentsSubmitted',
    payload: { organizationId, cardholderId },
  });
  return ok(await toCardholderView(deps.keys, changed, kycCase));
}
