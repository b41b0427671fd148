import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';

/** Sumsub's own answer to a check. `HOLD` keeps the applicant pending until a review arrives; `ON_HOLD` parks it. */
export const outcomeSchema = z
  .object({
    reviewAnswer: z.enum(['GREEN', 'RED', 'ON_HOLD', 'HOLD']),
    reviewRejectType: z.enum(['RETRY', 'FINAL']).optional(),
    rejectLabels: z.array(z.string()).default([]),
    moderationComment: z.string().optional(),
    clientComment: z.string().optional(),
  })
  .strict();

export type Outcome = z.infer<typeof outcomeSchema>;

export type ReviewStatus = 'init' | 'pending' | 'completed' | 'onHold';

export interface ReviewResult {
  reviewAnswer: 'GREEN' | 'RED';
  rejectLabels?: string[];
  reviewRejectType?: 'RETRY' | 'FINAL';
  moderationComment?: string;
  clientComment?: string;
}

export interface StoredDocument {
  imageId: string;
  idDocType: string;
  country: string;
  fileName: string;
  /** The picture itself is personal data and is not kept. */
  sha256: string;
  bytes: number;
  active: boolean;
}

export interface Applicant {
  id: string;
  inspectionId: string;
  externalUserId: string;
  levelName: string;
  createdAt: string;
  fixedInfo: Record<string, unknown>;
  email: string | null;
  reviewStatus: ReviewStatus;
  reviewResult: ReviewResult | null;
  reviewId: string;
  attemptId: string;
  attemptCnt: number;
  createDate: string;
  reviewDate: string | null;
  decideAt: number | null;
  documents: StoredDocument[];
}

/** 24 digits and lower-case letters, as the vendor's ids look. */
export function newApplicantId(): string {
  return randomBytes(12).toString('hex');
}

export function newAttemptId(): string {
  return randomBytes(4).toString('base64url').slice(0, 5);
}

/** `yyyy-MM-dd HH:mm:ss` in UTC. */
export function vendorTime(date: Date): string {
  return date.toISOString().slice(0, 19).replace('T', ' ');
}

/** `yyyy-MM-dd HH:mm:ss.fff` in UTC. */
export function vendorTimeMs(date: Date): string {
  return date.toISOString().slice(0, 23).replace('T', ' ');
}

const STEP_DOCUMENTS: Readonly<Record<string, readonly string[]>> = {
  IDENTITY: ['PASSPORT', 'ID_CARD', 'DRIVERS', 'RESIDENCE_PERMIT'],
  SELFIE: ['SELFIE'],
  PROOF_OF_RESIDENCE: ['UTILITY_BILL', 'OTHER_POA'],
};

/** Steps of the level for which the applicant has no active document. */
export function missingSteps(applicant: Applicant, requiredSteps: readonly string[]): string[] {
  return requiredSteps.filter((step) => {
    const accepted = STEP_DOCUMENTS[step] ?? [step];
    return !applicant.documents.some((document) => document.active && accepted.includes(document.idDocType));
  });
}

export function fileHash(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Why a check can't be requested now, or null. */
export function checkRefusal(applicant: Applicant, requiredSteps: readonly string[]): string | null {
  if (applicant.reviewStatus === 'pending') return 'Applicant is already being checked';
  if (applicant.reviewResult?.reviewRejectType === 'FINAL') return 'Applicant has received a FINAL rejection';
  const missing = missingSteps(applicant, requiredSteps);
  if (missing.length === 0) return null;
  return `Not all required documents or data are submitted. Make sure to complete [${missing.join(', ')}] verification steps beforehand.`;
}

/** Puts the applicant into the review queue. */
export function startCheck(applicant: Applicant, decideAt: number, now: Date): void {
  applicant.reviewStatus = 'pending';
  applicant.reviewResult = null;
  applicant.reviewDate = null;
  applicant.attemptId = newAttemptId();
  applicant.attemptCnt += 1;
  applicant.createDate = vendorTime(now);
  applicant.decideAt = decideAt;
}

/** Applies an outcome and names the webhook it causes; null when the applicant simply stays pending. */
export function applyOutcome(
  applicant: Applicant,
  outcome: Outcome,
  now: Date,
): 'applicantReviewed' | 'applicantOnHold' | null {
  applicant.decideAt = null;
  if (outcome.reviewAnswer === 'HOLD') return null;
  if (outcome.reviewAnswer === 'ON_HOLD') {
    applicant.reviewStatus = 'onHold';
    return 'applicantOnHold';
  }
  applicant.reviewStatus = 'completed';
  applicant.reviewDate = vendorTime(now);
  applicant.reviewResult = { reviewAnswer: outcome.reviewAnswer };
  if (outcome.reviewAnswer === 'RED') {
    applicant.reviewResult.rejectLabels = outcome.rejectLabels;
    applicant.reviewResult.reviewRejectType = outcome.reviewRejectType ?? 'FINAL';
    if (outcome.moderationComment !== undefined) applicant.reviewResult.moderationComment = outcome.moderationComment;
    if (outcome.clientComment !== undefined) applicant.reviewResult.clientComment = outcome.clientComment;
    // A resubmission needs new pictures: those that were refused no longer count.
    for (const document of applicant.documents) document.active = false;
  }
  return 'applicantReviewed';
}

/** The `review` object of an applicant, and the answer of its status page. */
export function reviewOf(applicant: Applicant): Record<string, unknown> {
  return {
    reviewId: applicant.reviewId,
    attemptId: applicant.attemptId,
    attemptCnt: applicant.attemptCnt,
    levelName: applicant.levelName,
    createDate: `${applicant.createDate}+0000`,
    ...(applicant.reviewDate === null ? {} : { reviewDate: `${applicant.reviewDate}+0000` }),
    ...(applicant.reviewResult === null ? {} : { reviewResult: applicant.reviewResult }),
    reviewStatus: applicant.reviewStatus,
  };
}

/** The applicant as the API shows it. */
export function applicantResource(applicant: Applicant): Record<string, unknown> {
  return {
    id: applicant.id,
    createdAt: applicant.createdAt,
    clientId: 'simulator',
    inspectionId: applicant.inspectionId,
    externalUserId: applicant.externalUserId,
    ...(applicant.email === null ? {} : { email: applicant.email }),
    fixedInfo: applicant.fixedInfo,
    review: reviewOf(applicant),
    type: 'individual',
  };
}
