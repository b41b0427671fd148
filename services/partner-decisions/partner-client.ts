import { Pool } from 'undici';
import { lookupPublicOnly } from './public-address';

/** Sockets to one endpoint; as many questions may wait for it at once. */
export const CONNECTIONS_MAX = 64;
/** An answer has two short fields. */
const ANSWER_BYTES_MAX = 4_096;
const KEEP_ALIVE_MS = 30_000;
const CONNECT_MS_MAX = 1_500;

export interface PartnerCall {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number;
}

/** What the wire gave back, before anyone looked into the answer. */
export type PartnerReply =
  | { readonly kind: 'answer'; readonly status: number; readonly text: string }
  | { readonly kind: 'too_large'; readonly status: number }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'error'; readonly detail: string };

/** Connections to one endpoint of a fintech, kept open between questions. */
export interface PartnerConnection {
  /** One POST, never repeated and never redirected. Never rejects. */
  post(call: PartnerCall): Promise<PartnerReply>;
  close(): Promise<void>;
}

/** Opens nothing yet. With `privateAllowed` false, names that stand for private addresses are not connected to. */
export function createPartnerConnection(url: string, privateAllowed: boolean): PartnerConnection {
  const pool = new Pool(new URL(url).origin, {
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: 8_192,
    maxResponseSize: ANSWER_BYTES_MAX,
    connect: { timeout: CONNECT_MS_MAX, ...(privateAllowed ? {} : { lookup: lookupPublicOnly }) },
  });

  return {
    async post(call) {
      const target = new URL(call.url);
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), call.timeoutMs);
      let status: number | null = null;
      try {
        const response = await pool.request({
          method: 'POST',
          path: `${target.pathname}${target.search}`,
          headers: call.headers,
          body: call.body,
          signal: abort.signal,
        });
        status = response.statusCode;
        return { kind: 'answer', status, text: await response.body.text() };
      } catch (error) {
        if (abort.signal.aborted) return { kind: 'timeout' };
        if (codeOf(error) === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return { kind: 'too_large', status: status ?? 0 };
        return { kind: 'error', detail: reasonOf(error) };
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => pool.destroy(),
  };
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}

/** Without `instanceof`: a socket's error may come from another realm. */
function reasonOf(error: unknown): string {
  const { message, code } = error as { readonly message?: unknown; readonly code?: unknown };
  const text = typeof message === 'string' && message !== '' ? message : String(code ?? error);
  return text.slice(0, 200);
}
