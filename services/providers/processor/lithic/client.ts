import { Agent, fetch } from 'undici';
import type { z } from 'zod';
import type { VendorOutcome } from '../port';
import { errorShape } from './wire';

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 32;

export interface LithicCall<T> {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** From the root, with its query; parameters already encoded. */
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  /** A UUID. Lithic gives the first answer again for a key it has seen. */
  readonly idempotencyKey?: string;
  readonly shape: z.ZodType<T>;
  readonly timeoutMs?: number;
}

export interface LithicClient {
  call<T>(call: LithicCall<T>): Promise<VendorOutcome<T>>;
  close(): Promise<void>;
}

/**
 * Lithic's REST API. A refusal that Lithic understood (4xx) is `rejected` with the status as its code; whatever leaves open
 * whether something happened (timeout, cut connection, 5xx, 408, 429, an answer that cannot be read) is `unknown`.
 */
export function createLithicClient(config: { readonly baseUrl: string; readonly apiKey: string }): LithicClient {
  const baseUrl = config.baseUrl.replace(/\/+$/, '');
  const dispatcher = new Agent({ connections: MAX_CONNECTIONS });

  return {
    async call({ method, path, body, idempotencyKey, shape, timeoutMs = DEFAULT_TIMEOUT_MS }) {
      let status: number;
      let text: string;
      try {
        const response = await fetch(`${baseUrl}${path}`, {
          method,
          headers: {
            Authorization: config.apiKey,
            Accept: 'application/json',
            ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
            ...(idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          redirect: 'error',
          signal: AbortSignal.timeout(timeoutMs),
          dispatcher,
        });
        status = response.status;
        text = await response.text();
      } catch (error) {
        return { kind: 'unknown', detail: `${method} ${pathOnly(path)}: ${reason(error)}` };
      }
      const json = parseJson(text);
      if (status >= 200 && status < 300) {
        const parsed = shape.safeParse(json);
        if (parsed.success) return { kind: 'ok', value: parsed.data };
        const where = parsed.error.issues[0]?.path.map(String).join('.') || 'body';
        return {
          kind: 'unknown',
          detail: `${method} ${pathOnly(path)}: the answer has an unexpected shape at ${where}`,
        };
      }
      const message = errorShape.safeParse(json);
      const detail = `${method} ${pathOnly(path)}: HTTP ${status}${message.success ? `, ${message.data.message}` : ''}`;
      if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
        return { kind: 'rejected', code: status === 404 ? 'not_found' : `http_${status}`, detail };
      }
      return { kind: 'unknown', detail };
    },

    close: () => dispatcher.close(),
  };
}

/** Without the query: a search may carry what should not be logged. */
function pathOnly(path: string): string {
  return path.split('?', 1)[0] ?? path;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${error.name}: ${error.message}${cause}`;
}
