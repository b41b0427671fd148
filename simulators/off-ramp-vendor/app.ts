import { createHash } from 'node:crypto';
import express, { type NextFunction, type Request, type Response } from 'express';
import { isAddress } from 'viem';
import { english, generateMnemonic } from 'viem/accounts';
import { z } from 'zod';
import { createFaults, type Faults } from '../shared/faults';
import { type Listening, listen } from '../shared/listen';
import { openStateFile } from '../shared/state-file';
import { WebhookOutbox } from '../shared/webhook-outbox';
import { openAccount } from './bank';
import { bankRoutes } from './bank-routes';
import { bookOf } from './book';
import { connectChain } from './chain';
import { toBaseUnits } from './decimals';
import { emptyVendorState, type VendorState } from './state';
import { type TokenOnChain, TransferEngine } from './transfer-engine';
import { pegOf, type Transfer, transferResource } from './transfers';
import { privateKeyOf, strangersKey, webhookHeaders } from './webhook-signature';

export interface OffRampVendorConfig {
  /** Address to listen on; this machine alone unless told. */
  readonly host?: string;
  readonly port: number;
  /** Where the state is kept; null keeps it in memory. */
  readonly dataFile: string | null;
  readonly apiKey: string;
  readonly customerId: string;
  readonly externalAccountId: string;
  readonly bankApiKey: string;
  readonly bankAccountId: string;
  readonly webhookUrl: string | null;
  /** PEM, PEM with `\n` written out, or base64 of a PEM. */
  readonly webhookPrivateKey: string;
  readonly rpcUrl: string;
  /** Of the deposit addresses; a random one, kept with the state, unless told. */
  readonly mnemonic?: string;
  /** By the vendor's currency word, e.g. `usdc`. */
  readonly tokens: Readonly<Record<string, TokenOnChain>>;
  readonly confirmations: number;
  readonly feeBps?: number;
  readonly stepMs?: number;
  readonly pollMs?: number;
  readonly retryDelaysMs?: readonly number[];
}

const transferBody = z.looseObject({
  client_reference_id: z.string().min(1).max(255).nullish(),
  amount: z.string(),
  on_behalf_of: z.string().min(1),
  source: z.looseObject({
    payment_rail: z.string().min(1),
    currency: z.string().min(1),
    from_address: z.string().refine((text) => isAddress(text), 'from_address is not an address'),
  }),
  destination: z.looseObject({
    payment_rail: z.enum(['ach', 'ach_same_day', 'wire']),
    currency: z.literal('usd'),
    external_account_id: z.string().min(1),
    wire_message: z.string().max(256).optional(),
  }),
});

const planWord = z.enum(['pay', 'return', 'cancel', 'stick']);
const settingsBody = z
  .object({
    fee_bps: z.number().int().min(0).max(10_000).optional(),
    dollar_token_rate: z.string().optional(),
    usd_eur: z.object({ midmarket: z.string(), buy: z.string(), sell: z.string() }).optional(),
  })
  .strict();
const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(10),
  starting_after: z.string().optional(),
  state: z.string().optional(),
});

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The off-ramp vendor: Bridge's transfers, rates and webhooks over HTTP, with the settlement bank under `/bank`. */
export async function startOffRampVendor(
  config: OffRampVendorConfig,
): Promise<Listening & { readonly faults: Faults }> {
  const empty = () => {
    const state = emptyVendorState(config.feeBps ?? 10, config.mnemonic ?? generateMnemonic(english));
    openAccount(state.bank, config.bankAccountId);
    return state;
  };
  const file = openStateFile<VendorState>(config.dataFile, empty);
  const faults = createFaults();
  const key = privateKeyOf(config.webhookPrivateKey);
  const outbox = new WebhookOutbox({
    url: config.webhookUrl,
    faults,
    pending: () => file.value.pending,
    save: () => file.save(),
    sign: (body, spoiled) => webhookHeaders(body, spoiled ? strangersKey() : key, Date.now()),
    ...(config.retryDelaysMs === undefined ? {} : { retryDelaysMs: config.retryDelaysMs }),
  });
  const engine = new TransferEngine({
    file,
    chain: connectChain({ rpcUrl: config.rpcUrl, mnemonic: file.value.mnemonic }),
    tokens: config.tokens,
    confirmations: config.confirmations,
    stepMs: config.stepMs ?? 150,
    bankAccounts: { [config.externalAccountId]: config.bankAccountId },
    outbox: () => outbox,
  });

  function transferOf(id: string): Transfer {
    const transfer = file.value.transfers[id];
    if (transfer === undefined) throw new Refusal(404, 'not_found', `no transfer ${id}`);
    return transfer;
  }

  const app = express();
  app.disable('x-powered-by');
  app.get('/livez', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.use('/bank', bankRoutes({ file, apiKey: config.bankApiKey, faults }));

  app.use('/sim', express.json());
  app.all('/sim/faults', faults.handle);
  app.get('/sim/state', (_request, response) => {
    const { mnemonic: _secret, ...state } = file.value;
    response.json({ ...state, deliveries: outbox.deliveries, faults: faults.list(), last_error: lastError });
  });
  app.get('/sim/book', (_request, response) => {
    response.json(bookOf(file.value));
  });
  app.post('/sim/reset', async (_request, response) => {
    // Deposit addresses are never given twice, not even after a reset: an old one may still hold tokens.
    const { mnemonic, nextDepositIndex, scannedBlock } = file.value;
    file.value = { ...empty(), mnemonic, nextDepositIndex, scannedBlock };
    faults.clear();
    await file.save();
    response.json({ ok: true });
  });
  app.post('/sim/plans', async (request, response) => {
    file.value.plans.push(...parse(z.object({ next: z.array(planWord) }).strict(), request.body).next);
    await file.save();
    response.json({ plans: file.value.plans });
  });
  app.post('/sim/settings', async (request, response) => {
    const body = parse(settingsBody, request.body);
    const settings = file.value.settings;
    if (body.fee_bps !== undefined) settings.feeBps = body.fee_bps;
    if (body.dollar_token_rate !== undefined) settings.dollarTokenRateE9 = rateE9(body.dollar_token_rate);
    if (body.usd_eur !== undefined) settings.usdEur = body.usd_eur;
    await file.save();
    response.json({ settings });
  });
  app.post('/sim/transfers/:id/plan', async (request, response) => {
    const transfer = transferOf(request.params.id);
    transfer.plan = parse(z.object({ plan: planWord }).strict(), request.body).plan;
    const cancelled = transfer.state === 'awaiting_funds' && transfer.plan === 'cancel';
    if (transfer.state === 'in_review' || cancelled) transfer.nextStepAt = Date.now();
    await file.save();
    response.json(transferResource(transfer));
  });
  app.post('/sim/transfers/:id/state', async (request, response) => {
    const transfer = transferOf(request.params.id);
    transfer.nextStepAt = null;
    engine.setState(transfer, parse(z.object({ state: z.string().min(1) }).strict(), request.body).state);
    await file.save();
    response.json(transferResource(transfer));
  });

  app.use('/v0', express.raw({ type: () => true, limit: '1mb' }), (request, _response, next) => {
    const given = request.header('api-key');
    if (given === undefined) return next(new Refusal(401, 'required', 'Missing Api-Key header'));
    next(given === config.apiKey ? undefined : new Refusal(401, 'invalid', 'Invalid Api-Key header'));
  });

  app.post('/v0/transfers', faults.onRoute('POST /v0/transfers'), async (request, response) => {
    const idempotencyKey = request.header('idempotency-key');
    if (idempotencyKey === undefined || idempotencyKey === '') {
      throw new Refusal(400, 'required', 'Missing Idempotency-Key header');
    }
    const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const requestHash = createHash('sha256').update(bytes).digest('hex');
    const former = file.value.idempotency[idempotencyKey];
    if (former !== undefined) {
      if (former.requestHash !== requestHash) {
        throw new Refusal(422, 'idempotency_key_reused', 'Idempotency-Key was used with another request body');
      }
      // In the real vendor this is the stored first answer; the transfer as it is now tells the caller no less.
      response.status(201).json(transferResource(transferOf(former.transferId)));
      return;
    }
    const transfer = createTransfer(parse(transferBody, jsonOf(bytes)));
    file.value.idempotency[idempotencyKey] = { requestHash, transferId: transfer.id, at: transfer.createdAt };
    await file.save();
    response.status(201).json(transferResource(transfer));
  });

  function createTransfer(body: z.infer<typeof transferBody>): Transfer {
    const { source, destination } = body;
    const token = config.tokens[source.currency];
    const invalid = (message: string) => new Refusal(400, 'invalid_parameters', message);
    if (body.on_behalf_of !== config.customerId) throw invalid('on_behalf_of is not a customer');
    if (token === undefined || pegOf(source.currency) === null) throw invalid('source.currency is not supported');
    if (destination.external_account_id !== config.externalAccountId) throw invalid('external_account_id is not known');
    const amount = toBaseUnits(body.amount, token.decimals);
    if (amount === null || !engine.paysOut(source.currency, amount, token.decimals)) {
      throw invalid('amount is not a decimal, or too small to leave a payout');
    }
    return engine.create({
      clientReferenceId: body.client_reference_id ?? null,
      onBehalfOf: body.on_behalf_of,
      sourceCurrency: source.currency,
      sourceRail: source.payment_rail,
      fromAddress: source.from_address as `0x${string}`,
      amount,
      tokenDecimals: token.decimals,
      destinationRail: destination.payment_rail,
      externalAccountId: destination.external_account_id,
      wireMessage: destination.wire_message ?? null,
    });
  }

  function list(request: { readonly query: unknown }, response: Response): void {
    const query = parse(listQuery, request.query);
    const newestFirst = [...file.value.order].reverse().flatMap((id) => file.value.transfers[id] ?? []);
    const matching = newestFirst.filter((one) => query.state === undefined || one.state === query.state);
    const start =
      query.starting_after === undefined ? 0 : matching.findIndex((one) => one.id === query.starting_after) + 1;
    const data = matching.slice(start, start + query.limit).map(transferResource);
    response.json({ count: data.length, data });
  }
  app.get('/v0/transfers', faults.onRoute('GET /v0/transfers'), list);
  app.get('/v0/customers/:id/transfers', faults.onRoute('GET /v0/customers/:id/transfers'), (request, response) => {
    if (request.params.id !== config.customerId) throw new Refusal(404, 'not_found', 'no such customer');
    list(request, response);
  });

  app.get('/v0/transfers/:id', faults.onRoute('GET /v0/transfers/:id'), (request, response) => {
    response.json(transferResource(transferOf(request.params.id)));
  });

  app.delete('/v0/transfers/:id', faults.onRoute('DELETE /v0/transfers/:id'), async (request, response) => {
    const transfer = transferOf(request.params.id);
    if (transfer.state !== 'awaiting_funds')
      throw new Refusal(400, 'invalid_state', 'only awaiting_funds can be canceled');
    transfer.nextStepAt = null;
    engine.setState(transfer, 'canceled');
    await file.save();
    response.json(transferResource(transfer));
  });

  app.get('/v0/exchange_rates', faults.onRoute('GET /v0/exchange_rates'), (request, response) => {
    if (request.query.from !== 'usd' || request.query.to !== 'eur') {
      throw new Refusal(400, 'invalid_parameters', 'the pair is not supported');
    }
    const { midmarket, buy, sell } = file.value.settings.usdEur;
    response.json({ midmarket_rate: midmarket, buy_rate: buy, sell_rate: sell, updated_at: new Date().toISOString() });
  });

  app.use((_request: Request, _response: Response, next: NextFunction) =>
    next(new Refusal(404, 'not_found', 'Resource not found')),
  );
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    const refusal =
      error instanceof Refusal
        ? error
        : new Refusal(500, 'internal_error', error instanceof Error ? error.message : 'failure');
    response.status(refusal.status).json({ code: refusal.code, message: refusal.message });
  });

  let lastError: string | null = null;
  let round: Promise<void> = Promise.resolve();
  let inRound = false;
  const timer = setInterval(() => {
    if (inRound) return;
    inRound = true;
    round = engine
      .tick()
      .then(
        () => {
          lastError = null;
        },
        (error: unknown) => {
          // The node may be away for a while: the next round tries again.
          lastError = error instanceof Error ? error.message : String(error);
        },
      )
      .finally(() => {
        inRound = false;
      });
  }, config.pollMs ?? 100);

  outbox.start();
  const listening = await listen(app, config.port, config.host);
  return {
    ...listening,
    faults,
    close: async () => {
      clearInterval(timer);
      await round;
      await outbox.stop();
      await listening.close();
      await file.save();
    },
  };
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new Refusal(400, 'invalid_parameters', z.prettifyError(parsed.error));
  return parsed.data;
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Refusal(400, 'invalid_parameters', 'the body is not valid JSON');
  }
}

function rateE9(text: string): string {
  const rate = toBaseUnits(text, 9);
  if (rate === null || rate === 0n) throw new Refusal(400, 'invalid_parameters', 'a rate is a decimal above 0');
  return rate.toString();
}
