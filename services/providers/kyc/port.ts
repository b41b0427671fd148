import type { IngressHeaders, SignatureVerdict, VendorOutcome } from '../processor/port';

export type KycVendorStatus = 'init' | 'pending' | 'on_hold' | 'completed';

/** The vendor's verdict on an applicant, in our words. */
export type KycVerdict =
  | { readonly kind: 'in_progress'; readonly status: KycVendorStatus }
  | { readonly kind: 'approved' }
  | { readonly kind: 'resubmission_required'; readonly reasons: readonly string[]; readonly message: string }
  | { readonly kind: 'rejected'; readonly reasons: readonly string[]; readonly message: string }
  | { readonly kind: 'unrecognized'; readonly detail: string };

export interface KycApplicantInput {
  /** Our cardholder id: the vendor's external user id, unique there. */
  readonly externalUserId: string;
  readonly levelName: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly dateOfBirth: string;
  /** ISO 3166-1 alpha-3. */
  readonly country: string;
  readonly nationality: string;
  readonly email: string;
}

export interface KycDocument {
  readonly type: 'passport' | 'id_card' | 'drivers' | 'proof_of_residence' | 'selfie';
  readonly country: string;
  readonly fileName: string;
  readonly content: Buffer;
  readonly contentType: string;
}

export interface KycVendor {
  readonly vendor: string;
  /** Creates the applicant, or finds the one that already carries the external user id. */
  createApplicant(input: KycApplicantInput): Promise<VendorOutcome<{ readonly applicantId: string }>>;
  addDocument(applicantId: string, document: KycDocument): Promise<VendorOutcome<{ readonly documentId: string }>>;
  /** Hands the applicant over for review. */
  requestCheck(applicantId: string): Promise<VendorOutcome<null>>;
  verdict(applicantId: string): Promise<VendorOutcome<KycVerdict>>;
}

/** A vendor's webhook is a hint that something changed: it names an applicant, and the workflow fetches the rest. */
export interface KycHint {
  readonly messageId: string;
  readonly applicantId: string;
  readonly externalUserId: string;
  readonly type: string;
}

export interface KycIngress {
  readonly vendor: string;
  verify(rawBody: Buffer, headers: IngressHeaders, now: Date): SignatureVerdict;
  toHint(
    rawBody: Buffer,
    headers: IngressHeaders,
  ): { readonly kind: 'hint'; readonly hint: KycHint } | { readonly kind: 'malformed'; readonly detail: string };
}

/** What a sandbox is told a check should come to. */
export type KycSandboxOutcome =
  | { readonly kind: 'approved' }
  | { readonly kind: 'on_hold' }
  | { readonly kind: 'resubmission_required'; readonly reasons: readonly string[]; readonly message: string }
  | { readonly kind: 'rejected'; readonly reasons: readonly string[]; readonly message: string };

/** Only where the vendor is a sandbox; the outcome still arrives by its signed webhook. */
export interface KycSandbox {
  /** Decides the next checks of an applicant, in order, before they are requested. Known to our simulator only. */
  planOutcomes(externalUserId: string, outcomes: readonly KycSandboxOutcome[]): Promise<VendorOutcome<null>>;
  /** Ends the applicant's check now, by the vendor's published sandbox method. `on_hold` is `rejected` there. */
  completeReview(applicantId: string, outcome: KycSandboxOutcome): Promise<VendorOutcome<null>>;
}
