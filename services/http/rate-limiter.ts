/** What a caller has left, as the `RateLimit` fields of the IETF draft say it. */
export interface RateVerdict {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the whole quota is there again, rounded up. */
  readonly resetSeconds: number;
  /** Seconds until the next request may be made; 0 when it may now. */
  readonly retryAfterSeconds: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

const WINDOW_SECONDS = 60;
const MOST_BUCKETS = 50_000;

/** A token bucket for each key: `perMinute` at once, refilled evenly over a minute. Kept in this process only. */
export class RateLimiter {
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly perMinute: number) {}

  take(key: string, now: Date): RateVerdict {
    const at = now.getTime();
    const perMs = this.perMinute / (WINDOW_SECONDS * 1_000);
    const known = this.buckets.get(key);
    const refilled =
      known === undefined
        ? this.perMinute
        : Math.min(this.perMinute, known.tokens + Math.max(0, at - known.at) * perMs);
    const allowed = refilled >= 1;
    const tokens = allowed ? refilled - 1 : refilled;
    this.buckets.delete(key);
    this.buckets.set(key, { tokens, at });
    this.forgetOldest();
    return {
      allowed,
      limit: this.perMinute,
      remaining: Math.floor(tokens),
      resetSeconds: Math.ceil((this.perMinute - tokens) / perMs / 1_000),
      retryAfterSeconds: allowed ? 0 : Math.max(1, Math.ceil((1 - tokens) / perMs / 1_000)),
    };
  }

  /** The map is ordered by last use, so the first one has waited longest. */
  private forgetOldest(): void {
    if (this.buckets.size <= MOST_BUCKETS) return;
    const oldest = this.buckets.keys().next();
    if (!oldest.done) this.buckets.delete(oldest.value);
  }
}

export function rateLimitHeaders(verdict: RateVerdict): Record<string, string> {
  return {
    'RateLimit-Policy': `"default";q=${verdict.limit};w=${WINDOW_SECONDS}`,
    RateLimit: `"default";r=${verdict.remaining};t=${verdict.resetSeconds}`,
  };
}
