import type { Transaction } from '../database/transaction';
import type { Caller } from '../organizations/authenticate-api-key';
import type { ApiKeyScope } from '../organizations/rules/api-key-scopes';
import type { Refusal } from '../shared/refusal';
import type { Result } from '../shared/result';
import type { z } from './schemas/zod';

/** What a handler knows of its request besides the input. */
export interface RequestContext {
  readonly organizationId: string;
  readonly caller: Caller | null;
  readonly requestId: string;
}

export interface RouteInput<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
}

type Answer<View> = Promise<Result<View, Refusal>>;

type Handler<Input, View> =
  /** Sees one organization in one transaction; changes nothing. Also for a POST that only computes. */
  | { readonly kind: 'read'; run(trx: Transaction, context: RequestContext, input: Input): Answer<View> }
  /**
   * Changes rows in one transaction, which a refusal rolls back. A POST takes an Idempotency-Key, stored in the same
   * transaction with the answer; `forReplay` strips what may be shown only once.
   */
  | {
      readonly kind: 'write';
      run(trx: Transaction, context: RequestContext, input: Input): Answer<View>;
      forReplay?(view: View): View;
    }
  /** Talks to a vendor or the chain's sandbox; opens its own transactions. */
  | { readonly kind: 'act'; run(context: RequestContext, input: Input): Answer<View> };

export type RouteAccess =
  | { readonly kind: 'organization'; readonly scope: ApiKeyScope }
  /**
   * The operator's key. The transaction's tenant is the organization in the path, or a new one whose id follows from the
   * idempotency key, so that a repetition finds the first answer.
   */
  | { readonly kind: 'operator'; readonly tenant: 'path' | 'new' };

export interface RouteDefinition<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  View extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With parameters in braces, as in the OpenAPI document: `/v1/cards/{card_id}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tag: string;
  readonly access: RouteAccess;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  /** Largest body taken, bytes. */
  readonly bodyLimit?: number;
  readonly status: 200 | 201 | 202;
  readonly view: View;
  readonly handler: Handler<RouteInput<z.output<Params>, z.output<Query>, z.output<Body>>, z.input<View>>;
}

/** A definition whose own types no longer matter: what the app mounts and the document lists. */
export type AnyRoute = Omit<RouteDefinition, 'handler'> & {
  readonly handler: Handler<RouteInput<unknown, unknown, unknown>, unknown>;
};

/** Checks a definition against its own schemas and forgets their types. */
export function route<
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
  Body extends z.ZodType = z.ZodUndefined,
  View extends z.ZodType = z.ZodType,
>(definition: RouteDefinition<Params, Query, Body, View>): AnyRoute {
  return definition as unknown as AnyRoute;
}
