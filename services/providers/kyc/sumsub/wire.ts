import { z } from 'zod';

/** Error body of every Sumsub method. */
export const errorWire = z.looseObject({
  code: z.number().optional(),
  description: z.string().optional(),
  errorCode: z.number().optional(),
  errorName: z.string().optional(),
});

export const reviewResultWire = z.looseObject({
  /** `GREEN` or `RED`; any other word is kept and reported as unrecognized. */
  reviewAnswer: z.string().optional(),
  reviewRejectType: z.string().nullish(),
  rejectLabels: z.array(z.string()).nullish(),
  moderationComment: z.string().nullish(),
});

/** Answer of `GET /resources/applicants/{id}/status`. */
export const reviewWire = z.looseObject({
  reviewStatus: z.string(),
  reviewResult: reviewResultWire.nullish(),
});
export type ReviewWire = z.infer<typeof reviewWire>;

/** The part of an applicant that we use. */
export const applicantWire = z.looseObject({ id: z.string().min(1), externalUserId: z.string().optional() });

/** Webhook payload: a hint, so only what names the applicant and the event is read. */
export const webhookWire = z.looseObject({
  applicantId: z.string().min(1),
  externalUserId: z.string().default(''),
  correlationId: z.string().min(1),
  type: z.string().min(1),
});
