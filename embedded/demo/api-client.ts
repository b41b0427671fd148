import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { DemoFailure } from './demo-failure';

const problem = z.looseObject({ code: z.string(), detail: z.string() });

function unexpectedAnswer(call: string, status: number, code: string | null, detail: string): DemoFailure {
  return new DemoFailure(`${call} answered ${status}${code === null ? '' : ` ${code}`}: ${detail}`);
}

export interface ApiClient {
  get<T>(shape: z.ZodType<T>, path: string): Promise<T>;
  /** With an Idempotency-Key of its own. */
  post<T>(shape: z.ZodType<T>, path: string, body?: unknown): Promise<T>;
  put<T>(shape: z.ZodType<T>, path: string, body: unknown): Promise<T>;
  /** The problem with which a POST was refused. Throws when it was not. */
  refusal(path: string, body: unknown): Promise<{ readonly status: number; readonly code: string; detail: string }>;
}

const CALL_TIMEOUT_MS = 30_000;

/** The API as a fintech's engineer calls it: a bearer key and JSON. `shape` picks what the caller reads of the answer. */
export function apiClient(baseUrl: string, key: string): ApiClient {
  const call = async (method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }> => {
    const response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
        ...(method === 'POST' ? { 'idempotency-key': randomUUID() } : {}),
      },
      ...(method === 'GET' ? {} : { body: JSON.stringify(body ?? {}) }),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    const text = await response.text();
    return { status: response.status, json: text === '' ? null : JSON.parse(text) };
  };
  const expectSuccess = async <T>(shape: z.ZodType<T>, method: string, path: string, body?: unknown): Promise<T> => {
    const { status, json } = await call(method, path, body);
    if (status < 200 || status >= 300) {
      const said = problem.safeParse(json);
      const detail = said.success ? said.data.detail : JSON.stringify(json);
      throw unexpectedAnswer(`${method} ${path}`, status, said.success ? said.data.code : null, detail);
    }
    const parsed = shape.safeParse(json);
    if (parsed.success) return parsed.data;
    throw unexpectedAnswer(`${method} ${path}`, status, null, z.prettifyError(parsed.error));
  };
  return {
    get: (shape, path) => expectSuccess(shape, 'GET', path),
    post: (shape, path, body) => expectSuccess(shape, 'POST', path, body),
    put: (shape, path, body) => expectSuccess(shape, 'PUT', path, body),
    async refusal(path, body) {
      const { status, json } = await call('POST', path, body);
      const said = problem.safeParse(json);
      if (status < 400 || !said.success) {
        throw unexpectedAnswer(`POST ${path}`, status, null, `expected a refusal, got ${JSON.stringify(json)}`);
      }
      return { status, code: said.data.code, detail: said.data.detail };
    },
  };
}
