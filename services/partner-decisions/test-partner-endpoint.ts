import type { Knex } from 'knex';
import { newId } from '../database/new-id';
import { inOrganization } from '../database/transaction';
import type { Clock } from '../shared/clock';
import { type Refusal, refusal } from '../shared/refusal';
import { err, ok, type Result } from '../shared/result';
import { attemptOf } from './ask-partner';
import { openSecrets } from './endpoint-secret';
import { createPartnerConnection, type PartnerReply } from './partner-client';
import { findEndpoint } from './partner-endpoint.repository';
import { endpointUrlProblem } from './public-address';
import { questionDocument, questionId } from './question-document';
import type { PartnerAnswer } from './rules/partner-answer';
import type { PartnerCause } from './rules/partner-verdict';
import type { PartnerEndpointDeps } from './set-partner-endpoint';
import { noEndpoint } from './show-partner-endpoint';
import { signedHeaders } from './sign-question';

const TEST_TIMEOUT_MS = 1_500;
const SHOWN_CHARACTERS_MAX = 500;

/** What went out and what came back. */
export interface PartnerTest {
  readonly requestId: string;
  readonly url: string;
  /** The body that was sent. */
  readonly sent: string;
  readonly cause: PartnerCause;
  readonly detail: string | null;
  readonly answer: PartnerAnswer | null;
  readonly httpStatus: number | null;
  /** The beginning of the answer's body. */
  readonly received: string | null;
  readonly latencyMs: number;
}

/**
 * Asks the endpoint about a purchase that does not exist, with `test` set and signed as every question is, and shows what came of it.
 * Decides nothing, counts for no circuit breaker, and asks an endpoint that is switched off too.
 */
export async function testPartnerEndpoint(
  deps: PartnerEndpointDeps & { readonly knex: Knex; readonly clock: Clock },
  input: { readonly organizationId: string; readonly programId: string; readonly amount: bigint; readonly mcc: string },
): Promise<Result<PartnerTest, Refusal>> {
  const { organizationId, programId } = input;
  const endpoint = await inOrganization(deps.knex, organizationId, (trx) =>
    findEndpoint(trx, organizationId, programId),
  );
  if (endpoint === undefined) return err(noEndpoint());
  const problem = endpointUrlProblem(endpoint.url, deps.privateAllowed);
  if (problem !== null) return err(refusal('state_conflict', `the URL of the endpoint ${problem}: set another one`));

  const now = deps.clock.now();
  const overlap = endpoint.previous_secret_expires_at !== null && endpoint.previous_secret_expires_at > now;
  const sealed = [endpoint.secret, ...(overlap && endpoint.previous_secret !== null ? [endpoint.previous_secret] : [])];
  const owner = { organizationId, endpointId: endpoint.id };
  const secrets = await openSecrets(deps.keys, owner, endpoint.data_key, sealed);
  const request = madeUpPurchase(input, now);
  const id = questionId(organizationId, request);
  const sent = JSON.stringify(
    questionDocument(
      {
        programId,
        accountId: newId(),
        cardholderId: newId(),
        cardholderExternalId: null,
        cardId: newId(),
        authorizationId: null,
        request,
        approvableAmount: input.amount,
        largestAmount: input.amount,
      },
      { id, createdAt: now, respondBy: new Date(now.getTime() + TEST_TIMEOUT_MS), test: true },
    ),
  );
  const connection = createPartnerConnection(endpoint.url, deps.privateAllowed);
  const startedAt = performance.now();
  let reply: PartnerReply;
  try {
    const headers = signedHeaders(id, now, sent, secrets);
    reply = await connection.post({ url: endpoint.url, headers, body: sent, timeoutMs: TEST_TIMEOUT_MS });
  } finally {
    await connection.close();
  }
  const { cause, detail, answer } = attemptOf(reply);
  return ok({
    requestId: id,
    url: endpoint.url,
    sent,
    cause,
    detail,
    answer,
    httpStatus: reply.kind === 'answer' || reply.kind === 'too_large' ? reply.status : null,
    received: reply.kind === 'answer' ? reply.text.slice(0, SHOWN_CHARACTERS_MAX) : null,
    latencyMs: Math.round(performance.now() - startedAt),
  });
}

function madeUpPurchase(input: { readonly amount: bigint; readonly mcc: string }, now: Date) {
  const id = newId();
  return {
    vendor: 'test',
    messageId: id,
    processorAuthorizationId: `test-${id}`,
    cardToken: '',
    kind: 'authorization',
    amount: input.amount,
    amountBasis: 'total',
    currency: 'USD',
    merchantAmount: input.amount,
    merchantCurrency: 'USD',
    merchant: { id: 'test-merchant', name: 'Test merchant', city: 'Berlin', country: 'DEU', mcc: input.mcc },
    channel: 'ecommerce',
    partialApprovalAllowed: false,
    cashAmount: 0n,
    avs: 'not_provided',
    cvc: 'not_provided',
    fleet: null,
    occurredAt: now,
  } as const;
}
