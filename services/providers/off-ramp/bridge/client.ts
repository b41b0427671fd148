import type { z } from 'zod';
import { callVendor, jsonOf } from '../../call-vendor';
import type { VendorOutcome } from '../../processor/port';
import type { OffRamp, OffRampOrder, OffRampQuote, OffRampSandbox } from '../port';
import { BRIDGE_TOKENS, SANDBOX_PLAN, toOrder, toQuote, toTransferBody } from './mapping';
import { errorWire, exchangeRateWire, transferListWire, transferWire } from './wire';

export interface BridgeClientConfig {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly customerId: string;
  readonly externalAccountId: string;
  /** The chain's name at Bridge, e.g. `ethereum` or `base`. */
  readonly paymentRail: string;
  /** The contracted fee. Bridge has no method that tells it; the receipt of each transfer does, and counts. */
  readonly feeBps: number;
  readonly timeoutMs: number;
}

const PAGE = 100;
/** How far back an order is looked for. One that ended `unknown` is recent, and lists are newest first. */
const MAX_PAGES = 20;

/** Speaks Bridge's transfers API. A create is never repeated here: `findOrder` tells what became of it. */
export class BridgeClient implements OffRamp {
  readonly vendor = 'bridge';

  constructor(private readonly config: BridgeClientConfig) {}

  async quote(input: {
    readonly sourceAsset: string;
    readonly sourceAmount: bigint;
  }): Promise<VendorOutcome<OffRampQuote>> {
    const token = BRIDGE_TOKENS[input.sourceAsset];
    if (token === undefined) return unsupported(input.sourceAsset);
    let usdToPegSellRate: string | null = null;
    if (token.peg !== 'usd') {
      const answer = await this.get(`/v0/exchange_rates?from=usd&to=${token.peg}`, exchangeRateWire);
      if (answer.kind !== 'ok') return answer;
      usdToPegSellRate = answer.value.sell_rate;
    }
    const terms = { usdToPegSellRate, feeBps: this.config.feeBps };
    const quote = toQuote(input.sourceAsset, input.sourceAmount, token.decimals, terms);
    return quote === null ? unreadable('exchange rate') : { kind: 'ok', value: quote };
  }

  async createOrder(input: {
    readonly idempotencyKey: string;
    readonly sourceAsset: string;
    readonly sourceAmount: bigint;
    readonly fromAddress: string;
  }): Promise<VendorOutcome<OffRampOrder>> {
    const token = BRIDGE_TOKENS[input.sourceAsset];
    if (token === undefined) return unsupported(input.sourceAsset);
    const body = toTransferBody(input, token, this.config);
    const created = await this.send('POST', '/v0/transfers', body, { 'Idempotency-Key': input.idempotencyKey });
    return asOrder(read(transferWire, created));
  }

  async getOrder(vendorOrderId: string): Promise<VendorOutcome<OffRampOrder>> {
    return asOrder(await this.get(`/v0/transfers/${encodeURIComponent(vendorOrderId)}`, transferWire));
  }

  async findOrder(idempotencyKey: string): Promise<VendorOutcome<OffRampOrder | null>> {
    const path = `/v0/customers/${encodeURIComponent(this.config.customerId)}/transfers?limit=${PAGE}`;
    let after = '';
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const listed = await this.get(`${path}${after}`, transferListWire);
      if (listed.kind !== 'ok') return listed;
      const found = listed.value.data.find((transfer) => transfer.client_reference_id === idempotencyKey);
      if (found !== undefined) return asOrder({ kind: 'ok', value: found });
      const last = listed.value.data.at(-1);
      if (last === undefined || listed.value.data.length < PAGE) return { kind: 'ok', value: null };
      after = `&starting_after=${encodeURIComponent(last.id)}`;
    }
    return { kind: 'unknown', detail: `no order among the newest ${PAGE * MAX_PAGES} transfers` };
  }

  readonly sandbox: OffRampSandbox = {
    planNextOrder: async (plan) => done(await this.send('POST', '/sim/plans', { next: [SANDBOX_PLAN[plan]] })),
    planOrder: async (vendorOrderId, plan) => {
      const path = `/sim/transfers/${encodeURIComponent(vendorOrderId)}/plan`;
      return done(await this.send('POST', path, { plan: SANDBOX_PLAN[plan] }));
    },
  };

  private async get<T>(path: string, schema: z.ZodType<T>): Promise<VendorOutcome<T>> {
    return read(schema, await this.send('GET', path, null));
  }

  private async send(
    method: 'GET' | 'POST',
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<VendorOutcome<unknown>> {
    const outcome = await callVendor({
      method,
      url: `${this.config.baseUrl}${path}`,
      headers: {
        'Api-Key': this.config.apiKey,
        accept: 'application/json',
        'content-type': 'application/json',
        ...headers,
      },
      timeoutMs: this.config.timeoutMs,
      ...(body === null ? {} : { body: JSON.stringify(body) }),
    });
    if (outcome.kind !== 'ok') return outcome;
    const { status, text } = outcome.value;
    // Two requests under one key at once: the first one decides, so this answer says nothing about it.
    if (status === 409) return { kind: 'unknown', detail: `${method} ${path} answered 409` };
    const json = jsonOf(text);
    if (status < 300) return { kind: 'ok', value: json };
    const error = errorWire.safeParse(json);
    return {
      kind: 'rejected',
      code: error.data?.code ?? String(status),
      detail: error.data?.message ?? `status ${status}`,
    };
  }
}

function unsupported(asset: string): { readonly kind: 'rejected'; readonly code: string; readonly detail: string } {
  return { kind: 'rejected', code: 'unsupported_asset', detail: `${asset} can't be sold here` };
}

/** A 2xx that we can't read: the effect happened, but what it is must be asked for. */
function unreadable(what: string): { readonly kind: 'unknown'; readonly detail: string } {
  return { kind: 'unknown', detail: `unreadable answer: ${what}` };
}

function read<T>(schema: z.ZodType<T>, outcome: VendorOutcome<unknown>): VendorOutcome<T> {
  if (outcome.kind !== 'ok') return outcome;
  const parsed = schema.safeParse(outcome.value);
  if (!parsed.success) return unreadable(parsed.error.issues.map((issue) => issue.path.join('.')).join(', '));
  return { kind: 'ok', value: parsed.data };
}

function asOrder(outcome: VendorOutcome<z.infer<typeof transferWire>>): VendorOutcome<OffRampOrder> {
  if (outcome.kind !== 'ok') return outcome;
  const order = toOrder(outcome.value);
  return order === null ? unreadable(`transfer ${outcome.value.id}`) : { kind: 'ok', value: order };
}

function done(outcome: VendorOutcome<unknown>): VendorOutcome<null> {
  return outcome.kind === 'ok' ? { kind: 'ok', value: null } : outcome;
}
