import type { z } from 'zod';
import { callVendor, jsonOf } from '../../call-vendor';
import type { VendorOutcome } from '../../processor/port';
import type { KycApplicantInput, KycDocument, KycSandbox, KycVendor, KycVerdict } from '../port';
import { isUnderCheck, toApplicantBody, toDocumentMetadata, toReviewBody, toVerdict } from './mapping';
import { signedHeaders } from './signature';
import { applicantWire, errorWire, type ReviewWire, reviewWire } from './wire';

export interface SumsubClientConfig {
  readonly baseUrl: string;
  readonly appToken: string;
  readonly secretKey: string;
  readonly timeoutMs: number;
  readonly now: () => Date;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

type Refused = { readonly kind: 'rejected'; readonly code: string; readonly detail: string };

/** Sumsub's error code for a file that the applicant already has (docs.sumsub.com/reference/error-codes-description). */
const DUPLICATE_DOCUMENT = 'duplicate-document';

/** Speaks Sumsub's API. Every method makes one effect at most and can be called again after `unknown`. */
export class SumsubClient implements KycVendor {
  readonly vendor = 'sumsub';

  constructor(private readonly config: SumsubClientConfig) {}

  async createApplicant(input: KycApplicantInput): Promise<VendorOutcome<{ readonly applicantId: string }>> {
    const uri = `/resources/applicants?levelName=${encodeURIComponent(input.levelName)}`;
    const created = await this.sendJson('POST', uri, toApplicantBody(input));
    if (created.kind === 'unknown') return created;
    if (created.kind === 'ok') return read(applicantWire, created.value, (one) => ({ applicantId: one.id }));
    // 409: the external user id is taken. It is ours alone, so the applicant is the one we created before.
    return created.code === '409' ? this.findApplicant(input.externalUserId) : created;
  }

  private async findApplicant(externalUserId: string): Promise<VendorOutcome<{ readonly applicantId: string }>> {
    const uri = `/resources/applicants/-;externalUserId=${encodeURIComponent(externalUserId)}/one`;
    const found = await this.send('GET', uri, null);
    if (found.kind !== 'ok') return found;
    return read(applicantWire, found.value, (one) => ({ applicantId: one.id }));
  }

  async addDocument(
    applicantId: string,
    document: KycDocument,
  ): Promise<VendorOutcome<{ readonly documentId: string }>> {
    const form = new FormData();
    form.append('metadata', JSON.stringify(toDocumentMetadata(document)));
    form.append(
      'content',
      new Blob([new Uint8Array(document.content)], { type: document.contentType }),
      document.fileName,
    );
    // Encoded once, here: the signature is over exactly the bytes that are sent, boundary included.
    const encoded = new Response(form);
    const bytes = new Uint8Array(await encoded.arrayBuffer());
    const contentType = encoded.headers.get('content-type') ?? 'multipart/form-data';

    const added = await this.send('POST', `${applicantPath(applicantId)}/info/idDoc`, { bytes, contentType });
    if (added.kind === 'ok') {
      const documentId = added.value.headers.get('x-image-id');
      return documentId === null ? malformed('X-Image-Id is missing') : { kind: 'ok', value: { documentId } };
    }
    // The same file is there from a call whose answer was lost: the vendor names no image id for it.
    if (added.kind === 'rejected' && added.code === DUPLICATE_DOCUMENT) {
      return { kind: 'ok', value: { documentId: DUPLICATE_DOCUMENT } };
    }
    return added;
  }

  async requestCheck(applicantId: string): Promise<VendorOutcome<null>> {
    const requested = await this.send('POST', `${applicantPath(applicantId)}/status/pending`, null);
    if (requested.kind === 'ok') return { kind: 'ok', value: null };
    if (requested.kind === 'unknown' || requested.code !== '409') return requested;
    // 409 is given while a check runs: then the request was already heard. Otherwise something is missing.
    const review = await this.review(applicantId);
    if (review.kind === 'unknown') return review;
    return review.kind === 'ok' && isUnderCheck(review.value) ? { kind: 'ok', value: null } : requested;
  }

  async verdict(applicantId: string): Promise<VendorOutcome<KycVerdict>> {
    const review = await this.review(applicantId);
    return review.kind === 'ok' ? { kind: 'ok', value: toVerdict(review.value) } : review;
  }

  private async review(applicantId: string): Promise<VendorOutcome<ReviewWire>> {
    const answer = await this.send('GET', `${applicantPath(applicantId)}/status`, null);
    return answer.kind === 'ok' ? read(reviewWire, answer.value, (review) => review) : answer;
  }

  /** The vendor's sandbox method, and the plan that only our simulator knows. */
  readonly sandbox: KycSandbox = {
    completeReview: async (applicantId, outcome) => {
      const body = toReviewBody(outcome);
      return done(await this.sendJson('POST', `${applicantPath(applicantId)}/status/testCompleted`, body));
    },
    planOutcomes: async (externalUserId, outcomes) =>
      done(await this.sendJson('POST', '/sim/outcomes', { externalUserId, answers: outcomes.map(toReviewBody) })),
  };

  private sendJson(method: 'POST', uri: string, body: unknown): Promise<VendorOutcome<Answer>> {
    const bytes = new Uint8Array(Buffer.from(JSON.stringify(body), 'utf8'));
    return this.send(method, uri, { bytes, contentType: 'application/json' });
  }

  private async send(
    method: 'GET' | 'POST',
    uri: string,
    content: { readonly bytes: Uint8Array<ArrayBuffer>; readonly contentType: string } | null,
  ): Promise<VendorOutcome<Answer>> {
    const bytes = content?.bytes ?? new Uint8Array();
    const outcome = await callVendor({
      method,
      url: `${this.config.baseUrl}${uri}`,
      headers: {
        accept: 'application/json',
        'content-type': content?.contentType ?? 'application/json',
        ...signedHeaders({ method, uri, body: bytes }, this.config, this.config.now()),
      },
      timeoutMs: this.config.timeoutMs,
      ...(content === null ? {} : { body: bytes }),
    });
    if (outcome.kind !== 'ok') return outcome;
    const { status, headers, text } = outcome.value;
    const body = jsonOf(text);
    return status < 300 ? { kind: 'ok', value: { status, headers, body } } : refusal(status, body);
  }
}

function applicantPath(applicantId: string): string {
  return `/resources/applicants/${encodeURIComponent(applicantId)}`;
}

function refusal(status: number, body: unknown): Refused {
  const error = errorWire.safeParse(body);
  return {
    kind: 'rejected',
    code: error.data?.errorName ?? String(status),
    detail: error.data?.description ?? `status ${status}`,
  };
}

/** A 2xx that we can't read: the effect happened, but what it is must be asked for. */
function malformed(detail: string): { readonly kind: 'unknown'; readonly detail: string } {
  return { kind: 'unknown', detail: `unreadable answer: ${detail}` };
}

function read<W, T>(schema: z.ZodType<W>, answer: Answer, map: (wire: W) => T): VendorOutcome<T> {
  const parsed = schema.safeParse(answer.body);
  if (!parsed.success) return malformed(parsed.error.issues.map((issue) => issue.path.join('.')).join(', '));
  return { kind: 'ok', value: map(parsed.data) };
}

function done(outcome: VendorOutcome<Answer>): VendorOutcome<null> {
  return outcome.kind === 'ok' ? { kind: 'ok', value: null } : outcome;
}
