import type { AuthorizationReply, AuthorizationRequest } from '../providers/processor/port';
import { invariant } from '../shared/assert';
import { fromPlain, toPlain } from '../shared/plain-values';
import type { Authorizer } from './authorize-spend';

export interface DecideForWorkflowDeps {
  readonly authorizer: Pick<Authorizer, 'authorize'>;
}

/** What a workflow that was asked is to do after its answer. */
export type AfterAnswer =
  /** A hold is placed under its id: follow the purchase. */
  | 'follow'
  /** Nothing is held under its id and nothing will be. */
  | 'end'
  /** It is not known whether anything was committed: look once nothing can be any more. */
  | 'look_later';

export interface WorkflowDecision {
  /** An {@link AuthorizationReply} in plain values. */
  readonly reply: unknown;
  readonly next: AfterAnswer;
}

/**
 * Decides a request for the workflow that carries it: the very function that answers directly, under an id that was fixed
 * beforehand, so that whichever path commits first, the other finds its decision. A decline is a result like any other.
 */
export async function decideForWorkflow(
  deps: DecideForWorkflowDeps,
  input: { readonly authorizationId: string; readonly request: unknown },
): Promise<WorkflowDecision> {
  const request = requestOf(input.request);
  const reply = await deps.authorizer.authorize(request, input.authorizationId);
  return { reply: toPlain(reply), next: afterAnswer(reply, request, input.authorizationId) };
}

/** The request as it travels through Temporal, encrypted by the codec. */
export function plainRequest(request: AuthorizationRequest): unknown {
  return toPlain(request);
}

/** The reply that {@link decideForWorkflow} gave. Throws when it is none. */
export function replyOf(plain: unknown): AuthorizationReply {
  const reply = fromPlain(plain) as AuthorizationReply;
  invariant(typeof reply === 'object' && reply !== null && typeof reply.approvedAmount === 'bigint', 'a reply');
  return reply;
}

function requestOf(plain: unknown): AuthorizationRequest {
  const request = fromPlain(plain) as AuthorizationRequest;
  invariant(typeof request === 'object' && request !== null && request.respondBy instanceof Date, 'a request');
  return request;
}

function afterAnswer(reply: AuthorizationReply, request: AuthorizationRequest, ownId: string): AfterAnswer {
  // Not stored: the commit may have failed, or be under way still.
  if (reply.authorizationId === null) return reply.declineReason === 'unknown_card' ? 'end' : 'look_later';
  if (reply.declineReason === 'internal_error') return 'look_later';
  // The message was answered before under another id, or belongs to a purchase that is followed already.
  if (reply.authorizationId !== ownId || reply.outcome === 'declined') return 'end';
  return reply.approvedAmount > 0n && request.kind !== 'refund_authorization' ? 'follow' : 'end';
}
