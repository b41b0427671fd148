import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import type { Knex } from 'knex';
import { authenticateApiKey, type Caller } from '../../organizations/authenticate-api-key';
import type { Clock } from '../../shared/clock';
import { Problem } from '../problem';
import { type RateLimiter, rateLimitHeaders } from '../rate-limiter';

export interface AuthenticationDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly apiKeyPepper: string;
  readonly operatorKey: string;
  /** Wrong keys that one address may try in a minute. */
  readonly failures: RateLimiter;
}

const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="escudo"' };

const REFUSED = {
  invalid: ['api_key_invalid', 'this API key is not known: check that it was copied whole, with its checksum'],
  expired: ['api_key_expired', 'this API key has expired: create another one'],
  revoked: ['api_key_revoked', 'this API key was revoked: use the one that replaced it'],
} as const;

/** The caller behind the bearer key. Throws a 401 problem, or 429 for an address that keeps guessing. */
export async function authenticate(deps: AuthenticationDeps, request: Request): Promise<Caller> {
  const presented = bearerToken(request);
  const result = await authenticateApiKey(deps, presented);
  if (result.ok) return result.value;
  noteFailure(deps, request);
  const [code, detail] = REFUSED[result.error];
  throw new Problem(code, detail, [], CHALLENGE);
}

/** Throws unless the operator's own key was sent. */
export function authenticateOperator(deps: AuthenticationDeps, request: Request): void {
  const presented = bearerToken(request);
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  if (timingSafeEqual(digest(presented), digest(deps.operatorKey))) return;
  noteFailure(deps, request);
  throw new Problem(
    'api_key_invalid',
    'this route takes the operator key, not the key of an organization',
    [],
    CHALLENGE,
  );
}

function bearerToken(request: Request): string {
  const header = request.headers.authorization;
  const match = header === undefined ? null : /^Bearer ([\x21-\x7e]{1,512})$/i.exec(header);
  if (match?.[1] !== undefined) return match[1];
  throw new Problem(
    'authentication_required',
    header === undefined
      ? 'send your API key in the header "Authorization: Bearer esk_…"'
      : 'the Authorization header must be "Bearer" and an API key',
    [],
    CHALLENGE,
  );
}

function noteFailure(deps: AuthenticationDeps, request: Request): void {
  const verdict = deps.failures.take(request.socket.remoteAddress ?? 'unknown', deps.clock.now());
  if (verdict.allowed) return;
  throw new Problem('rate_limited', 'too many wrong API keys from this address: wait before the next one', [], {
    ...rateLimitHeaders(verdict),
    'Retry-After': String(verdict.retryAfterSeconds),
  });
}
