import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express, { type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import type { Knex } from 'knex';
import { pinoHttp } from 'pino-http';
import type { Clock } from '../shared/clock';
import { PROBLEM_SORTS } from './error-map';
import type { Logger } from './logging';
import type { HttpMetrics } from './metrics';
import { apiVersion } from './middleware/api-version';
import { assignRequestId, requestIdOf } from './middleware/request-id';
import { mountRoute } from './mount-route';
import { openApiDocument } from './openapi';
import { PROBLEMS_PATH, Problem, sendProblem } from './problem';
import { RateLimiter } from './rate-limiter';
import type { AnyRoute } from './route';
import { type Dependency, livez, readyz } from './routes/health';

export interface AppDeps {
  /** Pool of the role `app`. */
  readonly knex: Knex;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: HttpMetrics;
  readonly routes: readonly AnyRoute[];
  /** Answers the vendors' own paths and says whether it did; it comes before everything else, because it is the hot path. */
  readonly ingress: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly dependencies: readonly Dependency[];
  readonly isStopping: () => boolean;
  readonly config: {
    readonly publicUrl: string;
    readonly operatorKey: string;
    readonly apiKeyPepper: string;
    readonly requestsPerMinute: number;
    /** Seals what is stored of answers; 32 bytes. */
    readonly answerKey: Buffer;
    /** Compare every answer with its schema. */
    readonly checkAnswers: boolean;
  };
}

const WRONG_KEYS_PER_MINUTE = 120;

/** The whole surface as one listener: vendors' ingress first, then the API with its conventions. */
export function createApp(deps: AppDeps): RequestListener {
  const app = createApi(deps);
  return (request, response) => {
    if (!deps.ingress(request, response)) app(request, response);
  };
}

function createApi(deps: AppDeps): express.Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');

  app.use((request: Request, response: Response, next: NextFunction) => {
    assignRequestId(request, response);
    next();
  });
  app.use(accessLog(deps.logger));
  app.use(measure(deps.metrics));
  app.use(helmet());

  app.get('/livez', livez);
  app.get('/readyz', readyz(deps.dependencies, deps.isStopping));
  app.get('/metrics', async (_request, response) => {
    response.set('Content-Type', deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics());
  });
  const document = JSON.stringify(openApiDocument(deps.routes, deps.config.publicUrl));
  app.get('/openapi.json', (_request, response) => {
    response.set('Content-Type', 'application/json; charset=utf-8').send(document);
  });
  app.get(`${PROBLEMS_PATH}/:code`, problemPage);

  app.use('/v1', apiVersion);
  mountAll(app, deps);

  app.use((request: Request) => {
    throw new Problem('route_not_found', `there is no ${request.path}: the routes are listed in /openapi.json`);
  });
  app.use(errorHandler(deps));
  return app;
}

function mountAll(app: express.Express, deps: AppDeps): void {
  const mountDeps = {
    knex: deps.knex,
    clock: deps.clock,
    authentication: {
      knex: deps.knex,
      clock: deps.clock,
      apiKeyPepper: deps.config.apiKeyPepper,
      operatorKey: deps.config.operatorKey,
      failures: new RateLimiter(WRONG_KEYS_PER_MINUTE),
    },
    limiter: new RateLimiter(deps.config.requestsPerMinute),
    answerKey: deps.config.answerKey,
    checkAnswers: deps.config.checkAnswers,
  };
  const methodsOf = new Map<string, string[]>();
  for (const route of deps.routes) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
    app[route.method](path, mountRoute(mountDeps, route));
    methodsOf.set(path, [...(methodsOf.get(path) ?? []), route.method.toUpperCase()]);
  }
  for (const [path, methods] of methodsOf) {
    const allowed = methods.includes('GET') ? [...methods, 'HEAD'] : methods;
    app.all(path, () => {
      throw new Problem('method_not_allowed', `this route takes ${methods.join(' and ')}`, [], {
        Allow: allowed.join(', '),
      });
    });
  }
}

/** One line for each request: method, path, status, time, organization. No headers, no query, no body. */
function accessLog(logger: Logger) {
  return pinoHttp<Request, Response>({
    logger,
    quietReqLogger: true,
    genReqId: (_request, response) => requestIdOf(response),
    autoLogging: { ignore: (request) => /^\/(livez|readyz|metrics)$/.test(request.path) },
    serializers: { req: () => undefined, res: () => undefined },
    customLogLevel: (_request, response, error) => (error || response.statusCode >= 500 ? 'error' : 'info'),
    customSuccessObject: (request, response, value: { responseTime?: number }) => logLine(request, response, value),
    customErrorObject: (request, response, _error, value: { responseTime?: number }) =>
      logLine(request, response, value),
  });
}

function logLine(request: Request, response: Response, value: { readonly responseTime?: number }): object {
  return {
    request_id: requestIdOf(response),
    method: request.method,
    route: response.locals.route ?? 'unmatched',
    status: response.statusCode,
    milliseconds: value.responseTime,
    organization_id: response.locals.organizationId,
  };
}

function measure(metrics: HttpMetrics) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const stop = metrics.requestSeconds.startTimer();
    response.once('finish', () => {
      const route: unknown = response.locals.route;
      stop({
        method: request.method,
        route: typeof route === 'string' ? route : 'unmatched',
        status: String(response.statusCode),
      });
    });
    next();
  };
}

/** What `type` of a problem points to. */
function problemPage(request: Request, response: Response): void {
  const { code } = request.params;
  const sort = Object.entries(PROBLEM_SORTS).find(([known]) => known === code)?.[1];
  if (sort === undefined) throw new Problem('not_found', 'there is no such problem');
  response.json({ code, title: sort.title, status: sort.status });
}

function errorHandler(deps: AppDeps) {
  return (error: unknown, _request: Request, response: Response, _next: NextFunction): void => {
    const requestId = requestIdOf(response);
    const problem = toProblem(error);
    if (problem.code === 'internal_error' || problem.code === 'took_too_long')
      deps.logger.error({ err: error, request_id: requestId }, 'request failed');
    if (response.headersSent) {
      response.destroy();
      return;
    }
    sendProblem(response, problem, deps.config.publicUrl, requestId);
  };
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof URIError)
    return new Problem('route_not_found', 'the path is not a valid URL: check its percent-encoding');
  if (ranIntoLimit(error))
    return new Problem(
      'took_too_long',
      'the database took longer than a request may: repeat it later with the same Idempotency-Key, or ask for less at once',
      [],
      { 'Retry-After': '5' },
    );
  return new Problem(
    'internal_error',
    'the request failed on our side: repeat it with the same Idempotency-Key, or ask support with the request_id',
  );
}

/** PostgreSQL's `query_canceled` and `lock_not_available`: a statement, or its wait for a lock, ran into the session's limit. */
const DATABASE_LIMITS: ReadonlySet<unknown> = new Set(['57014', '55P03']);

function ranIntoLimit(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && DATABASE_LIMITS.has(error.code);
}
