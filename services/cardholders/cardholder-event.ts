import type { Transaction } from '../database/transaction';
import { appendEvent } from '../outbox/append-event';
import type { CardholderRow, KycCaseRow } from './cardholder.repository';

export type CardholderEventType =
  | 'cardholder.created'
  | 'cardholder.kyc.submitted'
  | 'cardholder.kyc.in_review'
  | 'cardholder.kyc.approved'
  | 'cardholder.kyc.resubmission_required'
  | 'cardholder.kyc.rejected';

/** Tells the fintech of a cardholder as it is now, without what identifies the person. */
export async function appendCardholderEvent(
  trx: Transaction,
  type: CardholderEventType,
  cardholder: CardholderRow,
  kycCase: KycCaseRow | undefined,
): Promise<void> {
  await appendEvent(trx, {
    organizationId: cardholder.organization_id,
    type,
    resourceKind: 'cardholder',
    resourceId: cardholder.id,
    data: {
      program_id: cardholder.program_id,
      external_id: cardholder.external_id,
      kyc_state: cardholder.kyc_state,
      submission: kycCase?.submission ?? 0,
      reasons: kycCase?.reasons ?? [],
    },
  });
}
