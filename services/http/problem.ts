import type { Response } from 'express';
import type { RefusalCode } from '../shared/refusal';
import { PROBLEM_SORTS } from './error-map';

/** Problems that only HTTP knows; what use cases refuse comes as a {@link RefusalCode}. */
export type TransportProblemCode =
  | 'invalid_request'
  | 'malformed_json'
  | 'authentication_required'
  | 'api_key_invalid'
  | 'api_key_expired'
  | 'api_key_revoked'
  | 'scope_missing'
  | 'idempotency_key_required'
  | 'idempotency_key_malformed'
  | 'idempotency_key_reused'
  | 'idempotency_key_in_use'
  | 'route_not_found'
  | 'method_not_allowed'
  | 'unsupported_media_type'
  | 'unsupported_version'
  | 'payload_too_large'
  | 'rate_limited'
  | 'internal_error'
  | 'shutting_down'
  | 'took_too_long';

export type ProblemCode = TransportProblemCode | RefusalCode;

/** One wrong field. Exactly one of the three says where it is; `pointer` is a JSON pointer into the body. */
export interface FieldProblem {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly header?: string;
  readonly code: string;
  readonly detail: string;
}

/** An answer in `application/problem+json` (RFC 9457). Thrown by middleware, sent by the error handler. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    readonly errors: readonly FieldProblem[] = [],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
  }
}

/** Path of the page about a problem, below the public URL. */
export const PROBLEMS_PATH = '/problems';

/** Sends `problem`. Nothing of the cause leaves the process: codes, our own sentences and the request id only. */
export function sendProblem(response: Response, problem: Problem, publicUrl: string, requestId: string): void {
  const sort = PROBLEM_SORTS[problem.code];
  response
    .status(sort.status)
    .set(problem.headers)
    .set('Content-Type', 'application/problem+json; charset=utf-8')
    .send(
      JSON.stringify({
        type: `${publicUrl}${PROBLEMS_PATH}/${problem.code}`,
        title: sort.title,
        status: sort.status,
        code: problem.code,
        detail: problem.detail,
        ...(problem.errors.length > 0 ? { errors: problem.errors } : {}),
        request_id: requestId,
      }),
    );
}
