import { createHash, randomUUID } from 'node:crypto';
import express, { type NextFunction, type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { createFaults, type Faults } from '../shared/faults';
import { type Listening, listen } from '../shared/listen';
import { openStateFile, type StateFile } from '../shared/state-file';
import { WebhookOutbox } from '../shared/webhook-outbox';
import { bookOf } from './book';
import { cardRoutes } from './card-routes';
import { cardResource } from './cards';
import { enrolmentRoutes } from './enrolment-routes';
import { CardNetwork, Refusal } from './network';
import { FOREIGN_SECRET, signedHeaders } from './responder';
import { type BankAccess, detailResource, entriesOf, settleDay, summaryResource } from './settlement';
import { publishedSimulateRoutes, simulatedRoutes } from './simulate-routes';
import { emptyNetworkState, type NetworkState } from './state';
import { transactionResource } from './transactions';

export interface CardNetworkConfig {
  /** Address to listen on; this machine alone when left out. */
  readonly host?: string;
  readonly port: number;
  /** Where the state is kept; null keeps it in memory. */
  readonly dataFile: string | null;
  readonly apiKey: string;
  readonly asaSecret: string;
  readonly eventsSecret: string;
  readonly asaUrl: string | null;
  readonly eventsUrl: string | null;
  readonly asaTimeoutMs: number;
  readonly bank: BankAccess | null;
  readonly retryDelaysMs?: readonly number[];
}

const reportDate = z.iso.date();
const pageQuery = z.object({
  page_size: z.coerce.number().int().min(1).max(100).default(50),
  starting_after: z.string().optional(),
  ending_before: z.string().optional(),
  card_token: z.string().optional(),
  status: z.string().optional(),
  result: z.string().optional(),
});
const settingsBody = z.strictObject({
  stand_in: z.enum(['decline', 'approve']).optional(),
  asa_timeout_ms: z.int().min(10).max(60_000).optional(),
});

/** The card network: a card issuer-processor in Lithic's shapes, with merchants and settlement behind it. */
export async function startCardNetwork(config: CardNetworkConfig): Promise<Listening & { readonly faults: Faults }> {
  const file = openStateFile<NetworkState>(config.dataFile, () => emptyNetworkState(config));
  adoptConfiguration(file.value, config);
  const faults = createFaults();
  const outbox = new WebhookOutbox({
    get url() {
      return file.value.endpoints.eventsUrl;
    },
    faults,
    pending: () => file.value.pending,
    save: () => file.save(),
    // A repetition keeps its id: it is drawn from the message itself.
    sign: (body, spoiled) =>
      signedHeaders(
        spoiled ? [FOREIGN_SECRET] : file.value.secrets.events,
        `msg_${createHash('sha256').update(body).digest('hex').slice(0, 27)}`,
        body,
      ),
    ...(config.retryDelaysMs === undefined ? {} : { retryDelaysMs: config.retryDelaysMs }),
  });
  const network = new CardNetwork(file, faults, outbox);

  const app = express();
  app.disable('x-powered-by');
  app.get('/livez', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.use(express.json());
  app.use('/v1', authenticated(config.apiKey));
  app.use('/v1/cards', cardRoutes(file, faults));
  app.use('/v1/simulate', publishedSimulateRoutes(network, faults));
  app.use('/v1', enrolmentRoutes(file));
  app.use('/v1', bookRoutes(file, faults, network));
  app.use('/sim', simulatedRoutes(network, faults));
  app.use('/sim', controlRoutes(file, faults, outbox, config));
  app.use((_request, response) => {
    response.status(404).json(problem('Not found'));
  });
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    const status = statusOf(error);
    response
      .status(status)
      .json(problem(status === 500 || !(error instanceof Error) ? 'Internal error' : messageOf(error)));
  });

  outbox.start();
  const listening = await listen(app, config.port, config.host);
  return {
    ...listening,
    faults,
    close: async () => {
      await listening.close();
      await outbox.stop();
      await file.save();
    },
  };
}

/** What the process is started with counts: addresses and secrets change between starts. */
function adoptConfiguration(state: NetworkState, config: CardNetworkConfig): void {
  if (config.asaUrl !== null) state.endpoints.asaUrl = config.asaUrl;
  if (config.eventsUrl !== null) state.endpoints.eventsUrl = config.eventsUrl;
  if (!state.secrets.asa.includes(config.asaSecret)) state.secrets.asa = [config.asaSecret];
  if (!state.secrets.events.includes(config.eventsSecret)) state.secrets.events = [config.eventsSecret];
}

function authenticated(apiKey: string) {
  return (request: Request, response: Response, next: NextFunction): void => {
    if (request.header('authorization') === apiKey) {
      next();
      return;
    }
    response.status(401).json(problem('Please provide a valid API key in the Authorization header'));
  };
}

/** Transactions and settlement reports. */
function bookRoutes(file: StateFile<NetworkState>, faults: Faults, network: CardNetwork): Router {
  const router = Router();
  router.get('/transactions', faults.onRoute('GET /v1/transactions'), (request, response) => {
    const query = pageQuery.parse(request.query);
    const state = file.value;
    const newestFirst = state.order
      .toReversed()
      .flatMap((token) => state.transactions[token] ?? [])
      .filter(({ cardToken }) => query.card_token === undefined || cardToken === query.card_token)
      .filter(({ status }) => query.status === undefined || status === query.status)
      .filter(({ result }) => query.result === undefined || (query.result === 'APPROVED') === (result === 'APPROVED'));
    const page = pageOf(newestFirst, query);
    response.json({ data: page.data.map(transactionResource), has_more: page.hasMore });
  });
  router.get('/transactions/:token', faults.onRoute('GET /v1/transactions/:token'), (request, response) => {
    response.json(transactionResource(network.transactionOf(z.string().parse(request.params.token))));
  });
  router.get(
    '/reports/settlement/summary/:date',
    faults.onRoute('GET /v1/reports/settlement/summary/:date'),
    (request, response) => {
      response.json(summaryResource(file.value, reportDate.parse(request.params.date)));
    },
  );
  router.get(
    '/reports/settlement/details/:date',
    faults.onRoute('GET /v1/reports/settlement/details/:date'),
    (request, response) => {
      const date = reportDate.parse(request.params.date);
      const page = pageOf(entriesOf(file.value, date), pageQuery.parse(request.query));
      response.json({ data: page.data.map((entry) => detailResource(entry, date)), has_more: page.hasMore });
    },
  );
  return router;
}

/** What only a simulator has: faults, settings, its book, settlement, and a way back to the beginning. */
function controlRoutes(
  file: StateFile<NetworkState>,
  faults: Faults,
  outbox: WebhookOutbox,
  config: CardNetworkConfig,
): Router {
  const router = Router();
  router.all('/faults', (request, response) => faults.handle(request, response));
  router.post('/settings', async (request, response) => {
    const body = settingsBody.parse(request.body);
    const { settings } = file.value;
    if (body.stand_in !== undefined) settings.standIn = body.stand_in;
    if (body.asa_timeout_ms !== undefined) settings.asaTimeoutMs = body.asa_timeout_ms;
    await file.save();
    response.json({ stand_in: settings.standIn, asa_timeout_ms: settings.asaTimeoutMs });
  });
  router.get('/book', (_request, response) => {
    response.json(bookOf(file.value));
  });
  router.get('/state', (_request, response) => {
    const { cards, settings, endpoints, pending } = file.value;
    const withoutNumbers = Object.values(cards).map((card) => ({ ...cardResource(card), pan: undefined }));
    response.json({
      cards: withoutNumbers,
      settings,
      endpoints,
      pending,
      deliveries: outbox.deliveries,
      faults: faults.list(),
    });
  });
  router.post('/settle', faults.onRoute('POST /sim/settle'), async (request, response) => {
    const { date } = z.strictObject({ date: reportDate }).parse(request.body);
    const day = await settleDay(file, config.bank, date);
    response.json({ date: day.date, net_amount: day.netAmount, bank_reference: day.bankReference });
  });
  router.post('/reset', async (_request, response) => {
    file.value = emptyNetworkState(config);
    faults.clear();
    await file.save();
    response.json({ ok: true });
  });
  return router;
}

/** Cursor pages: `starting_after` and `ending_before` name an item's token. */
function pageOf<T extends { readonly token: string }>(
  items: readonly T[],
  query: z.infer<typeof pageQuery>,
): { readonly data: readonly T[]; readonly hasMore: boolean } {
  const cursor = query.starting_after ?? query.ending_before;
  const at = cursor === undefined ? -1 : items.findIndex(({ token }) => token === cursor);
  if (cursor !== undefined && at < 0) throw new Refusal(400, 'The cursor names nothing in this list');
  if (query.ending_before !== undefined) {
    const from = Math.max(0, at - query.page_size);
    return { data: items.slice(from, at), hasMore: from > 0 };
  }
  return { data: items.slice(at + 1, at + 1 + query.page_size), hasMore: at + 1 + query.page_size < items.length };
}

function problem(message: string): { readonly message: string; readonly debugging_request_id: string } {
  return { message, debugging_request_id: randomUUID() };
}

function statusOf(error: unknown): number {
  if (error instanceof Refusal) return error.status;
  if (error instanceof z.ZodError) return 400;
  return error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : 500;
}

function messageOf(error: Error): string {
  return error instanceof z.ZodError ? z.prettifyError(error) : error.message;
}
