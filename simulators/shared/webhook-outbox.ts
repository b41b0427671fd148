import { setTimeout as delay } from 'node:timers/promises';
import type { Faults } from './faults';

/** A webhook that waits for its delivery. Stored with the simulator's state, so a restart sends it again. */
export interface PendingWebhook {
  id: string;
  type: string;
  body: string;
  attempts: number;
  dueAt: number;
}

export interface WebhookDelivery {
  readonly id: string;
  readonly type: string;
  readonly status: number;
  readonly at: string;
}

export interface WebhookOutboxOptions {
  readonly url: string | null;
  readonly faults: Faults;
  readonly pending: () => PendingWebhook[];
  readonly save: () => Promise<void>;
  /** Headers with the vendor's signature over `body`; with `spoiled`, over another key. */
  readonly sign: (body: string, spoiled: boolean) => Record<string, string>;
  /** Milliseconds until the attempt after the n-th failed one; the last value repeats until `maxAttempts`. */
  readonly retryDelaysMs?: readonly number[];
  readonly maxAttempts?: number;
  readonly timeoutMs?: number;
}

/** A message held for reordering goes out alone after this long, so that nothing is kept for ever. */
const MAX_HOLD_MS = 3_000;

const DEFAULT_RETRY_DELAYS_MS = [200, 500, 1_000, 2_000, 5_000, 15_000];

/**
 * Delivers webhooks at least once: a message leaves the outbox only after a 2xx answer (or when its attempts are used
 * up). Messages do not wait for each other, so a failed one is overtaken by later ones, as with the real vendors.
 */
export class WebhookOutbox {
  readonly deliveries: WebhookDelivery[] = [];
  private readonly underWay = new Set<string>();
  private timer: NodeJS.Timeout | null = null;
  private closed = false;
  private heldSince: number | null = null;

  constructor(private readonly options: WebhookOutboxOptions) {}

  /** Appends a message; the caller saves its state with it, in one document. */
  add(message: { readonly id: string; readonly type: string; readonly body: string }): void {
    this.options.pending().push({ ...message, attempts: 0, dueAt: 0 });
    setImmediate(() => this.pump());
  }

  start(): void {
    this.timer = setInterval(() => this.pump(), 50);
  }

  async stop(): Promise<void> {
    this.closed = true;
    if (this.timer !== null) clearInterval(this.timer);
    while (this.underWay.size > 0) await delay(10);
  }

  private pump(): void {
    if (this.closed || this.options.url === null) return;
    for (const message of this.inOrder(this.due())) void this.deliver(message);
  }

  private due(): PendingWebhook[] {
    const now = Date.now();
    return this.options.pending().filter((message) => message.dueAt <= now && !this.underWay.has(message.id));
  }

  private inOrder(due: PendingWebhook[]): PendingWebhook[] {
    const first = due[0];
    if (first === undefined) return due;
    const fault = this.options.faults.find(`webhook:${first.type}`);
    if (fault === null || fault.reorder === 0) return due;
    if (due.length < 2) {
      this.heldSince ??= Date.now();
      if (Date.now() - this.heldSince < MAX_HOLD_MS) return [];
    }
    this.heldSince = null;
    fault.reorder -= 1;
    return due.reverse();
  }

  private async deliver(message: PendingWebhook): Promise<void> {
    this.underWay.add(message.id);
    try {
      const fault = this.options.faults.find(`webhook:${message.type}`);
      if (fault !== null && fault.slow_ms > 0) await delay(fault.slow_ms);
      let spoiled = false;
      if (fault !== null && fault.bad_signature_times > 0) {
        fault.bad_signature_times -= 1;
        spoiled = true;
      }
      let status: number;
      if (fault !== null && fault.fail_times > 0) {
        fault.fail_times -= 1;
        status = 0;
      } else {
        status = await this.post(message, spoiled);
      }
      const delivered = status >= 200 && status < 300;
      for (let copy = 0; delivered && fault !== null && copy < fault.repeat; copy += 1) await this.post(message, false);
      await this.settle(message, delivered);
    } finally {
      this.underWay.delete(message.id);
    }
  }

  private async settle(message: PendingWebhook, delivered: boolean): Promise<void> {
    message.attempts += 1;
    const pending = this.options.pending();
    if (delivered || message.attempts >= (this.options.maxAttempts ?? 200)) {
      const index = pending.indexOf(message);
      if (index >= 0) pending.splice(index, 1);
    } else {
      const delays = this.options.retryDelaysMs ?? DEFAULT_RETRY_DELAYS_MS;
      message.dueAt = Date.now() + (delays[Math.min(message.attempts, delays.length) - 1] ?? 1_000);
    }
    await this.options.save();
  }

  private async post(message: PendingWebhook, spoiled: boolean): Promise<number> {
    let status = 0;
    try {
      const response = await fetch(this.options.url ?? '', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...this.options.sign(message.body, spoiled) },
        body: message.body,
        signal: AbortSignal.timeout(this.options.timeoutMs ?? 5_000),
      });
      status = response.status;
      await response.arrayBuffer();
    } catch {
      // Refused, cut or timed out: the same as an answer that is not 2xx, so it is tried again.
      status = 0;
    }
    this.deliveries.push({ id: message.id, type: message.type, status, at: new Date().toISOString() });
    if (this.deliveries.length > 500) this.deliveries.shift();
    return status;
  }
}
