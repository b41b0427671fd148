import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import request from 'supertest';
import { createLithic, type Lithic } from '../../services/providers/processor/lithic';
import { startCardNetwork } from '../../simulators/card-network/app';

/** The simulated card network on a port of its own, without a bank. It asks and tells nobody until it is connected to an api. */
export interface SimulatedNetwork {
  /** What an api has to know to speak with it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Our side of it, apart from any api; closed with it. */
  readonly lithic: Lithic;
  /** POSTs to it, as whoever has the API key. */
  call(path: string, body: object): Promise<Record<string, unknown>>;
  /** Has it ask the api for decisions and, where it is told to, tell it what happened. */
  connect(api: { readonly url: string }, events: 'told' | 'untold'): Promise<void>;
  /** Makes a card there and gives its token to one on record. Returns the token. */
  issue(sql: Client, cardId: string): Promise<string>;
  close(): Promise<void>;
}

const secret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

/** Starts it with secrets of its own. It waits long for an answer, so that a slow machine declines nothing. */
export async function startSimulatedNetwork(): Promise<SimulatedNetwork> {
  const [apiKey, asaSecret, eventsSecret] = ['lithic-simulated-key', secret(), secret()];
  const network = await startCardNetwork({
    port: 0,
    dataFile: null,
    apiKey,
    asaSecret,
    eventsSecret,
    asaUrl: null,
    eventsUrl: null,
    asaTimeoutMs: 5_000,
    bank: null,
    retryDelaysMs: [50],
  });
  const lithic = createLithic({
    baseUrl: network.url,
    apiKey,
    asaSecrets: [asaSecret],
    eventSecrets: [eventsSecret],
  });

  async function call(path: string, body: object): Promise<Record<string, unknown>> {
    const answer = await request(network.url).post(path).set('Authorization', apiKey).send(body);
    if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
    return answer.body;
  }

  return {
    environment: {
      LITHIC_BASE_URL: network.url,
      LITHIC_API_KEY: apiKey,
      LITHIC_ASA_SECRET: asaSecret,
      LITHIC_EVENTS_SECRET: eventsSecret,
    },
    lithic,
    call,
    async connect({ url }, events) {
      const asked = `${url}/processors/lithic/authorizations`;
      await call('/v1/responder_endpoints', { type: 'AUTH_STREAM_ACCESS', url: asked });
      if (events === 'told') await call('/v1/event_subscriptions', { url: `${url}/processors/lithic/events` });
    },
    async issue(sql, cardId) {
      const card = await call('/v1/cards', { type: 'VIRTUAL', state: 'OPEN', memo: 'test' });
      const token = String(card['token']);
      await sql.query('UPDATE cards SET card_token = $2 WHERE id = $1', [cardId, token]);
      await sql.query('UPDATE card_routes SET card_token = $2 WHERE card_id = $1', [cardId, token]);
      return token;
    },
    async close() {
      await lithic.close();
      await network.close();
    },
  };
}
