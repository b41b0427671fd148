import type { VendorOutcome } from './processor/port';

export interface VendorCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly timeoutMs: number;
}

/** An answer that says something definite: the vendor did it (2xx) or refused it (4xx). */
export interface VendorAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Statuses after which nobody can tell from the answer alone whether the call had its effect. */
function isIndefinite(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429 || (status >= 300 && status < 400);
}

/**
 * One HTTP call to a vendor, never repeated here. Time-outs, cut connections, redirects, 408, 425, 429 and 5xx are
 * `unknown`: the caller asks the vendor what became of it. Details carry no body, so personal data stays out of logs.
 */
export async function callVendor(call: VendorCall): Promise<VendorOutcome<VendorAnswer>> {
  const path = new URL(call.url).pathname;
  try {
    const response = await fetch(call.url, {
      method: call.method,
      headers: call.headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(call.timeoutMs),
      ...(call.body === undefined ? {} : { body: call.body }),
    });
    const text = await response.text();
    if (isIndefinite(response.status))
      return { kind: 'unknown', detail: `${call.method} ${path} answered ${response.status}` };
    return { kind: 'ok', value: { status: response.status, headers: response.headers, text } };
  } catch (error) {
    return { kind: 'unknown', detail: `${call.method} ${path}: ${reasonOf(error)}` };
  }
}

/** What went wrong, without `instanceof`: the runtime's own errors need not share our `Error`. */
function reasonOf(error: unknown): string {
  const { name, message, cause } = error as { name?: unknown; message?: unknown; cause?: unknown };
  if (name === 'TimeoutError') return 'no answer in time';
  const inner = (cause as { message?: unknown } | undefined)?.message;
  return String(inner ?? message ?? error);
}

/** The body as JSON, or undefined when it is not JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
