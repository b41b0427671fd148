import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client } from 'pg';
import request from 'supertest';
import { type Api, composeApi } from '../../../services/composition';
import { loadApiConfig } from '../../../services/config/load-config';
import { required } from '../../../services/shared/assert';
import { sharedChain } from '../../setup/anvil';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

export const OPERATOR_KEY = 'operator-key-of-the-tests-0123456789';

/** An api process in all but name: real composition, real PostgreSQL, vendors that nobody answers for. */
export interface ApiUnderTest {
  readonly url: string;
  readonly api: Api;
  readonly database: TestDatabase;
  /** As superuser. */
  readonly sql: Client;
  readonly asaSecret: string;
  readonly eventsSecret: string;
  /** Rows of every table that carries state, by table name. */
  countRows(): Promise<Record<string, number>>;
  createOrganization(name: string): Promise<{ id: string; key: string }>;
  end(): Promise<void>;
}

const secret = (): string => `whsec_${randomBytes(24).toString('base64')}`;

export function testEnvironment(urls: TestDatabase['urls']): Record<string, string> {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    ESCUDO_ENV: 'test',
    LOG_LEVEL: 'silent',
    DATABASE_URL_APP: urls.escudo_app,
    DATABASE_URL_AUTHORIZER: urls.escudo_authorizer,
    DATABASE_URL_READONLY: urls.escudo_readonly,
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    TEMPORAL_CODEC_KEY: randomBytes(32).toString('base64'),
    CHAIN_DEPLOYMENT_FILE: sharedChain().deploymentFile,
    CUSTODY_MNEMONIC: 'test test test test test test test test test test test junk',
    LITHIC_BASE_URL: 'http://127.0.0.1:1',
    LITHIC_API_KEY: 'lithic-api-key',
    LITHIC_ASA_SECRET: secret(),
    LITHIC_EVENTS_SECRET: secret(),
    SUMSUB_BASE_URL: 'http://127.0.0.1:1',
    SUMSUB_APP_TOKEN: 'sumsub-app-token',
    SUMSUB_SECRET_KEY: 'sumsub-secret-key',
    SUMSUB_WEBHOOK_SECRET: 'sumsub-webhook-secret',
    BRIDGE_BASE_URL: 'http://127.0.0.1:1',
    BRIDGE_API_KEY: 'bridge-api-key',
    BRIDGE_CUSTOMER_ID: 'customer',
    BRIDGE_EXTERNAL_ACCOUNT_ID: 'account',
    BRIDGE_WEBHOOK_PUBLIC_KEY: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    BANK_BASE_URL: 'http://127.0.0.1:1/bank',
    BANK_API_KEY: 'bank-api-key',
    BANK_ACCOUNT_ID: 'bank-account',
    OPERATOR_KEY,
    API_KEY_PEPPER: 'pepper-of-the-tests-0123456789abcdef',
    DATA_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    RECEIPT_SIGNING_KEY: randomBytes(32).toString('base64'),
    SANDBOX_ENABLED: 'true',
  };
}

export async function startApiUnderTest(
  overrides: Record<string, string> = {},
  logTo?: NodeJS.WritableStream,
): Promise<ApiUnderTest> {
  const database = await createTestDatabase();
  const sql = new Client({ connectionString: database.superuserUrl });
  await sql.connect();
  const environment = { ...testEnvironment(database.urls), ...overrides };
  const api = await composeApi(loadApiConfig(environment), logTo);
  const server = createServer(api.listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    api,
    database,
    sql,
    asaSecret: required(environment.LITHIC_ASA_SECRET, 'secret'),
    eventsSecret: required(environment.LITHIC_EVENTS_SECRET, 'secret'),
    countRows: () => countRows(sql),
    async createOrganization(name) {
      const answer = await request(url)
        .post('/v1/organizations')
        .set('Authorization', `Bearer ${OPERATOR_KEY}`)
        .set('Idempotency-Key', `organization-${name}`)
        .send({ name })
        .expect(201);
      return { id: answer.body.organization.id, key: answer.body.api_key.secret };
    },
    async end() {
      await closeServer(server);
      await api.close();
      await sql.end();
      await database.drop();
    },
  };
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}

async function countRows(sql: Client): Promise<Record<string, number>> {
  const tables = await sql.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'knex_%' ORDER BY 1`,
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables.rows) {
    const counted = await sql.query<{ count: string }>(`SELECT count(*) FROM ${name}`);
    counts[name] = Number(counted.rows[0]?.count);
  }
  return counts;
}
