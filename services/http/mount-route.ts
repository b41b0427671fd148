import { createHash } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { Knex } from 'knex';
import { inOrganization } from '../database/transaction';
import type { Caller } from '../organizations/authenticate-api-key';
import { allowsScope } from '../organizations/rules/api-key-scopes';
import type { Clock } from '../shared/clock';
import type { Refusal } from '../shared/refusal';
import type { Result } from '../shared/result';
import { fieldProblems } from './field-problems';
import { type AuthenticationDeps, authenticate, authenticateOperator } from './middleware/authenticate';
import { readJsonBody } from './middleware/read-json-body';
import { requestIdOf } from './middleware/request-id';
import { Problem } from './problem';
import { type RateLimiter, rateLimitHeaders } from './rate-limiter';
import type { AnyRoute, RequestContext, RouteInput } from './route';
import { type IdempotentAnswer, runIdempotently, runInTransaction } from './run-idempotently';
import { z } from './schemas/zod';

export interface MountDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly authentication: AuthenticationDeps;
  readonly limiter: RateLimiter;
  /** Seals what is stored of answers; 32 bytes. */
  readonly answerKey: Buffer;
  /** Compare every answer with its schema: in tests, where a difference must be seen. */
  readonly checkAnswers: boolean;
}

/** The order of one request: who, how often, may they, what exactly, and only then the work. */
export function mountRoute(deps: MountDeps, route: AnyRoute): RequestHandler {
  return async (request, response) => {
    response.locals.route = route.path;
    const caller = await identify(deps, route, request);
    response.locals.organizationId = caller?.organizationId;
    limitRate(deps, caller, response);
    requireScope(route, caller);
    const input: RouteInput<unknown, unknown, unknown> = {
      params: parsePath(route, request),
      query: parseQuery(route, request),
      body: await parseBody(route, request, response),
    };
    const key = route.method === 'post' && route.handler.kind === 'write' ? idempotencyKey(request) : null;
    const context: RequestContext = {
      organizationId: caller?.organizationId ?? operatorTenant(route, input, key),
      caller,
      requestId: requestIdOf(response),
    };
    const answer = await perform(deps, route, request, context, input, key);
    if (!answer.ok) throw fromRefusal(answer.error);
    if (answer.value.replayed) response.set('Idempotency-Replayed', 'true');
    if (deps.checkAnswers) route.view.parse(answer.value.view);
    response.status(answer.value.status).json(answer.value.view);
  };
}

async function identify(deps: MountDeps, route: AnyRoute, request: Request): Promise<Caller | null> {
  if (route.access.kind === 'organization') return authenticate(deps.authentication, request);
  authenticateOperator(deps.authentication, request);
  return null;
}

function limitRate(deps: MountDeps, caller: Caller | null, response: Response): void {
  const verdict = deps.limiter.take(caller?.apiKeyId ?? 'operator', deps.clock.now());
  response.set(rateLimitHeaders(verdict));
  if (verdict.allowed) return;
  throw new Problem('rate_limited', `this API key may make ${verdict.limit} requests a minute: wait, then go on`, [], {
    'Retry-After': String(verdict.retryAfterSeconds),
  });
}

function requireScope(route: AnyRoute, caller: Caller | null): void {
  if (route.access.kind !== 'organization' || caller === null) return;
  const { scope } = route.access;
  if (allowsScope(caller.scopes, scope)) return;
  throw new Problem('scope_missing', `this API key lacks the scope "${scope}": use one that has it`);
}

/** An id that cannot be one of ours is treated like one that nobody has. */
function parsePath(route: AnyRoute, request: Request): unknown {
  if (route.params === undefined) return undefined;
  const parsed = route.params.safeParse(request.params);
  if (parsed.success) return parsed.data;
  const errors = fieldProblems(parsed.error, 'path');
  throw new Problem(
    'not_found',
    `there is no such resource: ${errors[0]?.parameter ?? 'the id'} ${errors[0]?.detail ?? ''}`.trim(),
  );
}

function parseQuery(route: AnyRoute, request: Request): unknown {
  return parse(route.query ?? z.strictObject({}), request.query, 'query');
}

async function parseBody(route: AnyRoute, request: Request, response: Response): Promise<unknown> {
  if (route.method === 'get') return undefined;
  const body = await readJsonBody(request, response, route.bodyLimit);
  if (route.body === undefined) return parse(z.strictObject({}), body ?? {}, 'body');
  if (body === undefined && !route.body.safeParse(undefined).success)
    throw new Problem('invalid_request', 'this route needs a JSON body: see its description in /openapi.json');
  return parse(route.body, body, 'body');
}

function parse(schema: z.ZodType, value: unknown, place: 'body' | 'query'): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = fieldProblems(parsed.error, place);
  const first = errors[0];
  const where = first?.pointer ?? first?.parameter;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more, see errors)` : '';
  throw new Problem(
    'invalid_request',
    `${where === undefined || where === '' ? 'the body' : where} ${first?.detail ?? 'is not valid'}${more}`,
    errors,
  );
}

function idempotencyKey(request: Request): string {
  const key = request.get('Idempotency-Key');
  if (key === undefined) {
    throw new Problem(
      'idempotency_key_required',
      'send an Idempotency-Key of your own choice, new for each request and the same when you repeat it',
      [{ header: 'Idempotency-Key', code: 'required', detail: 'is required' }],
    );
  }
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new Problem(
      'idempotency_key_malformed',
      'an Idempotency-Key has 1 to 255 printable ASCII characters without spaces',
      [{ header: 'Idempotency-Key', code: 'malformed', detail: 'has other characters or the wrong length' }],
    );
  }
  return key;
}

const organizationParameter = z.object({ organization_id: z.string() });

function operatorTenant(route: AnyRoute, input: RouteInput<unknown, unknown, unknown>, key: string | null): string {
  if (route.access.kind === 'operator' && route.access.tenant === 'new' && key !== null)
    return uuidFrom(`organization|${key}`);
  return organizationParameter.parse(input.params).organization_id;
}

/** A UUID (version 8) that follows from `text`. */
function uuidFrom(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

async function perform(
  deps: MountDeps,
  route: AnyRoute,
  request: Request,
  context: RequestContext,
  input: RouteInput<unknown, unknown, unknown>,
  key: string | null,
): Promise<Result<IdempotentAnswer, Refusal>> {
  const { handler } = route;
  if (handler.kind === 'write' && key !== null) {
    const { organizationId } = context;
    return runIdempotently(
      deps.knex,
      {
        organizationId,
        key,
        method: request.method,
        path: request.path,
        body: request.body,
        status: route.status,
        answerKey: deps.answerKey,
      },
      (trx) => handler.run(trx, context, input),
      handler.forReplay ?? ((view) => view),
    );
  }
  const result = await once(deps, route, context, input);
  return result.ok ? { ok: true, value: { status: route.status, view: result.value, replayed: false } } : result;
}

async function once(
  deps: MountDeps,
  route: AnyRoute,
  context: RequestContext,
  input: RouteInput<unknown, unknown, unknown>,
): Promise<Result<unknown, Refusal>> {
  const { handler } = route;
  switch (handler.kind) {
    case 'act':
      return handler.run(context, input);
    case 'write':
      return runInTransaction(deps.knex, context.organizationId, (trx) => handler.run(trx, context, input));
    case 'read':
      return inOrganization(deps.knex, context.organizationId, (trx) => handler.run(trx, context, input));
  }
}

function fromRefusal(refusal: Refusal): Problem {
  const errors =
    refusal.pointer === undefined ? [] : [{ pointer: refusal.pointer, code: refusal.code, detail: refusal.detail }];
  return new Problem(refusal.code, refusal.detail, errors);
}
