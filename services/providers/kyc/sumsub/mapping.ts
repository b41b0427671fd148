import type { KycApplicantInput, KycDocument, KycSandboxOutcome, KycVendorStatus, KycVerdict } from '../port';
import type { ReviewWire } from './wire';

/** Published review statuses that are not yet a verdict. */
const IN_PROGRESS: Readonly<Record<string, KycVendorStatus>> = {
  init: 'init',
  pending: 'pending',
  prechecked: 'pending',
  queued: 'pending',
  awaitingService: 'pending',
  awaitingUser: 'pending',
  onHold: 'on_hold',
};

/** `reviewAnswer` counts only once `reviewStatus` is `completed` (docs.sumsub.com/reference/get-applicant-review-status). */
export function toVerdict(review: ReviewWire): KycVerdict {
  const status = IN_PROGRESS[review.reviewStatus];
  if (status !== undefined) return { kind: 'in_progress', status };
  if (review.reviewStatus !== 'completed') {
    return { kind: 'unrecognized', detail: `reviewStatus ${review.reviewStatus}` };
  }
  const result = review.reviewResult;
  if (result?.reviewAnswer === 'GREEN') return { kind: 'approved' };
  const reasons = result?.rejectLabels ?? [];
  const message = result?.moderationComment ?? '';
  if (result?.reviewAnswer === 'RED' && result.reviewRejectType === 'RETRY') {
    return { kind: 'resubmission_required', reasons, message };
  }
  if (result?.reviewAnswer === 'RED' && result.reviewRejectType === 'FINAL')
    return { kind: 'rejected', reasons, message };
  return {
    kind: 'unrecognized',
    detail: `reviewAnswer ${result?.reviewAnswer} with reviewRejectType ${result?.reviewRejectType}`,
  };
}

/** Statuses in which a check that was requested is already under way. */
export function isUnderCheck(review: ReviewWire): boolean {
  return IN_PROGRESS[review.reviewStatus] === 'pending';
}

const DOCUMENT_TYPE: Readonly<Record<KycDocument['type'], string>> = {
  passport: 'PASSPORT',
  id_card: 'ID_CARD',
  drivers: 'DRIVERS',
  proof_of_residence: 'UTILITY_BILL',
  selfie: 'SELFIE',
};

export function toDocumentMetadata(document: KycDocument): Record<string, string> {
  return { idDocType: DOCUMENT_TYPE[document.type], country: document.country };
}

export function toApplicantBody(input: KycApplicantInput): Record<string, unknown> {
  return {
    externalUserId: input.externalUserId,
    email: input.email,
    fixedInfo: {
      firstName: input.firstName,
      lastName: input.lastName,
      dob: input.dateOfBirth,
      country: input.country,
      nationality: input.nationality,
    },
  };
}

/** A sandbox outcome in the vendor's words. */
export function toReviewBody(outcome: KycSandboxOutcome): Record<string, unknown> {
  switch (outcome.kind) {
    case 'approved':
      return { reviewAnswer: 'GREEN', rejectLabels: [] };
    case 'on_hold':
      return { reviewAnswer: 'ON_HOLD', rejectLabels: [] };
    case 'resubmission_required':
    case 'rejected':
      return {
        reviewAnswer: 'RED',
        reviewRejectType: outcome.kind === 'rejected' ? 'FINAL' : 'RETRY',
        rejectLabels: outcome.reasons,
        moderationComment: outcome.message,
      };
  }
}
