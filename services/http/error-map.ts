import type { ProblemCode } from './problem';

interface ProblemSort {
  readonly status: number;
  readonly title: string;
}

/** Total: a new refusal or transport problem does not compile until it has a status and a title. */
export const PROBLEM_SORTS: Readonly<Record<ProblemCode, ProblemSort>> = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  malformed_json: { status: 400, title: 'The body is not JSON' },
  authentication_required: { status: 401, title: 'An API key is required' },
  api_key_invalid: { status: 401, title: 'The API key is not valid' },
  api_key_expired: { status: 401, title: 'The API key has expired' },
  api_key_revoked: { status: 401, title: 'The API key was revoked' },
  scope_missing: { status: 403, title: 'The API key may not do this' },
  idempotency_key_required: { status: 400, title: 'An idempotency key is required' },
  idempotency_key_malformed: { status: 400, title: 'The idempotency key is malformed' },
  idempotency_key_reused: { status: 422, title: 'The idempotency key was used for another request' },
  idempotency_key_in_use: { status: 409, title: 'The same request is still running' },
  route_not_found: { status: 404, title: 'There is no such route' },
  method_not_allowed: { status: 405, title: 'The route does not take this method' },
  unsupported_media_type: { status: 415, title: 'The body must be JSON' },
  unsupported_version: { status: 400, title: 'There is no such version of the API' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal_error: { status: 500, title: 'Something failed on our side' },
  shutting_down: { status: 503, title: 'This server is stopping' },
  took_too_long: { status: 503, title: 'It took too long' },
  not_found: { status: 404, title: 'There is no such resource' },
  invalid_parameter: { status: 400, title: 'A parameter is not valid' },
  state_conflict: { status: 409, title: 'The state does not allow this' },
  already_exists: { status: 409, title: 'It exists already' },
  insufficient_funds: { status: 422, title: 'The balance does not cover this' },
  kyc_not_approved: { status: 422, title: 'The cardholder is not verified' },
  country_not_allowed: { status: 422, title: 'This country is not served' },
  program_disabled: { status: 422, title: 'The program is switched off' },
  product_disabled: { status: 422, title: 'The card product is switched off' },
  account_not_active: { status: 422, title: 'The account is not active' },
  credit_not_enabled: { status: 422, title: 'The program gives no credit' },
  credit_agreement_required: { status: 422, title: 'A credit agreement is required' },
  price_unavailable: { status: 503, title: 'A price is missing' },
  would_break_health: { status: 422, title: 'The loan would not be covered' },
  amount_out_of_range: { status: 422, title: 'The amount is out of range' },
  vendor_unavailable: { status: 503, title: 'A vendor does not answer' },
  not_supported: { status: 422, title: 'This is not supported' },
};
