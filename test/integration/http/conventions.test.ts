import request from 'supertest';
import { API_VERSIONS } from '../../../services/http/middleware/api-version';
import { type ApiUnderTest, OPERATOR_KEY, startApiUnderTest } from './api-under-test';

let tested: ApiUnderTest;
let key: string;

beforeAll(async () => {
  tested = await startApiUnderTest();
  ({ key } = await tested.createOrganization('conventions'));
});

afterAll(async () => {
  await tested.end();
});

const bearer = () => ({ Authorization: `Bearer ${key}` });
let keys = 0;
const newKey = () => {
  keys += 1;
  return `conventions-${keys}`;
};

function createProgram(body: string | object, headers: Record<string, string> = {}) {
  return request(tested.url)
    .post('/v1/programs')
    .set({ ...bearer(), 'Idempotency-Key': newKey(), ...headers })
    .send(body);
}

describe('refused requests say what is wrong and change nothing', () => {
  let before: Record<string, number>;
  beforeEach(async () => {
    before = await tested.countRows();
  });
  afterEach(async () => {
    expect(await tested.countRows()).toEqual(before);
  });

  test('no key', async () => {
    const answer = await request(tested.url).get('/v1/programs').expect(401);
    expect(answer.body).toMatchObject({ code: 'authentication_required', status: 401 });
    expect(answer.headers['www-authenticate']).toContain('Bearer');
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.body.request_id).toBe(answer.headers['x-request-id']);
    expect(answer.body.type).toMatch(/\/problems\/authentication_required$/);
  });

  test.each([
    ['another secret', (real: string) => `${real.slice(0, -20)}00000000000000000000`],
    ['no key of ours', () => 'esk_test_abc'],
    ['a key of the other mode', (real: string) => real.replace('esk_test_', 'esk_live_')],
  ])('%s', async (_name, forge) => {
    const answer = await request(tested.url)
      .get('/v1/programs')
      .set('Authorization', `Bearer ${forge(key)}`)
      .expect(401);
    expect(answer.body.code).toBe('api_key_invalid');
  });

  test('the operator key opens only the operator routes', async () => {
    await request(tested.url).get('/v1/programs').set('Authorization', `Bearer ${OPERATOR_KEY}`).expect(401);
    await request(tested.url)
      .post('/v1/organizations')
      .set({ ...bearer(), 'Idempotency-Key': 'x' })
      .send({ name: 'mine' })
      .expect(401);
  });

  test('malformed JSON', async () => {
    const answer = await createProgram('{"name": "x"', { 'Content-Type': 'application/json' }).expect(400);
    expect(answer.body.code).toBe('malformed_json');
  });

  test('another media type', async () => {
    const answer = await createProgram('name=x', { 'Content-Type': 'application/x-www-form-urlencoded' }).expect(415);
    expect(answer.body.code).toBe('unsupported_media_type');
  });

  test('no body', async () => {
    const answer = await request(tested.url)
      .post('/v1/programs')
      .set({ ...bearer(), 'Idempotency-Key': newKey() })
      .expect(400);
    expect(answer.body.code).toBe('invalid_request');
  });

  test('a body beyond the limit', async () => {
    const answer = await createProgram({ name: 'x'.repeat(70_000) }).expect(413);
    expect(answer.body.code).toBe('payload_too_large');
  });

  test('unknown fields, each with its pointer', async () => {
    const answer = await createProgram({
      name: 'x',
      'co/lour': 'red',
      policy: { limits: { dayly_amount: '1' } },
    }).expect(400);
    expect(answer.body.errors).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ pointer: '/co~1lour', code: 'unknown_field' }),
        expect.objectContaining({ pointer: '/policy/limits/dayly_amount', code: 'unknown_field' }),
      ]),
    );
  });

  test('a missing field', async () => {
    const answer = await createProgram({}).expect(400);
    expect(answer.body.errors).toEqual([{ pointer: '/name', code: 'required', detail: 'is required' }]);
    expect(answer.body.detail).toContain('/name');
  });

  test('a policy that does not fit together', async () => {
    const answer = await createProgram({
      name: 'x',
      policy: {
        credit: { collateral: { WETH: { ltv_bps: 8000, liquidation_threshold_bps: 7500, liquidation_bonus_bps: 1 } } },
      },
    }).expect(400);
    expect(answer.body.errors).toEqual([
      expect.objectContaining({ pointer: '/policy/credit/collateral/WETH/ltv_bps' }),
    ]);
  });

  test('no idempotency key, or a malformed one', async () => {
    const missing = await request(tested.url).post('/v1/programs').set(bearer()).send({ name: 'x' }).expect(400);
    expect(missing.body.code).toBe('idempotency_key_required');
    expect(missing.body.errors).toEqual([expect.objectContaining({ header: 'Idempotency-Key' })]);
    const malformed = await createProgram({ name: 'x' }, { 'Idempotency-Key': 'a b' }).expect(400);
    expect(malformed.body.code).toBe('idempotency_key_malformed');
  });

  test('an unknown version', async () => {
    const answer = await request(tested.url)
      .get('/v1/programs')
      .set(bearer())
      .set('Escudo-Version', '1999-01-01')
      .expect(400);
    expect(answer.body.code).toBe('unsupported_version');
  });

  test('an unknown route, a wrong method, a path that cannot be decoded', async () => {
    expect((await request(tested.url).get('/v1/nothing').set(bearer()).expect(404)).body.code).toBe('route_not_found');
    const wrong = await request(tested.url).delete('/v1/programs').set(bearer()).expect(405);
    expect(wrong.body.code).toBe('method_not_allowed');
    expect(wrong.headers.allow).toBe('POST, GET, HEAD');
    await request(tested.url).get('/v1/programs/%E0%A4%A').set(bearer()).expect(404);
  });

  test.each(['nonsense', 'card_0198f3c2a1b07c3d9e4f5a6b7c8d9e0f', 'prog_0198f3c2a1b07c3d9e4f5a6b7c8d9e0f'])(
    'an id that nobody has: %s',
    async (id) => {
      const answer = await request(tested.url).get(`/v1/programs/${id}`).set(bearer()).expect(404);
      expect(answer.body.code).toBe('not_found');
    },
  );

  test.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=ten', 'limit'],
    ['starting_after=prog_1', 'starting_after'],
    ['colour=red', 'colour'],
    ['created_from=yesterday', 'created_from'],
    ['state=gone', 'state'],
    [
      'starting_after=prog_0198f3c2a1b07c3d9e4f5a6b7c8d9e0f&ending_before=prog_0198f3c2a1b07c3d9e4f5a6b7c8d9e0f',
      'ending_before',
    ],
  ])('the list parameter %s', async (query, parameter) => {
    const answer = await request(tested.url).get(`/v1/programs?${query}`).set(bearer()).expect(400);
    expect(answer.body.code).toBe('invalid_request');
    expect(answer.body.errors).toEqual(expect.arrayContaining([expect.objectContaining({ parameter })]));
  });
});

describe('keys', () => {
  async function newApiKey(body: object): Promise<{ id: string; secret: string }> {
    const answer = await request(tested.url)
      .post('/v1/api-keys')
      .set({ ...bearer(), 'Idempotency-Key': newKey() })
      .send(body)
      .expect(201);
    return answer.body;
  }

  test('a key does what its scopes allow and no more', async () => {
    const { secret } = await newApiKey({ label: 'reader', scopes: ['read'] });
    const reader = { Authorization: `Bearer ${secret}` };
    await request(tested.url).get('/v1/programs').set(reader).expect(200);
    const refused = await request(tested.url)
      .post('/v1/programs')
      .set({ ...reader, 'Idempotency-Key': newKey() })
      .send({ name: 'x' })
      .expect(403);
    expect(refused.body.code).toBe('scope_missing');
  });

  test('a key cannot give more than it has', async () => {
    const { secret } = await newApiKey({ label: 'minter', scopes: ['api_keys:write'] });
    const answer = await request(tested.url)
      .post('/v1/api-keys')
      .set({ Authorization: `Bearer ${secret}`, 'Idempotency-Key': newKey() })
      .send({ label: 'more', scopes: ['read'] })
      .expect(400);
    expect(answer.body.errors).toEqual([expect.objectContaining({ pointer: '/scopes' })]);
  });

  test('a revoked key is refused from its next request on', async () => {
    const { id, secret } = await newApiKey({ label: 'short' });
    const headers = { Authorization: `Bearer ${secret}` };
    await request(tested.url).get('/v1/organization').set(headers).expect(200);
    await request(tested.url)
      .post(`/v1/api-keys/${id}/revoke`)
      .set({ ...bearer(), 'Idempotency-Key': newKey() })
      .expect(200);
    const answer = await request(tested.url).get('/v1/organization').set(headers).expect(401);
    expect(answer.body.code).toBe('api_key_revoked');
  });

  test('an expired key is refused, an expiry that has passed is not taken', async () => {
    const { id, secret } = await newApiKey({ label: 'expiring', expires_at: '2999-01-01T00:00:00Z' });
    await tested.sql.query(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE key_id = $1`, [
      secret.split('_')[2],
    ]);
    expect(id).toMatch(/^key_/);
    const answer = await request(tested.url)
      .get('/v1/organization')
      .set({ Authorization: `Bearer ${secret}` })
      .expect(401);
    expect(answer.body.code).toBe('api_key_expired');
    await request(tested.url)
      .post('/v1/api-keys')
      .set({ ...bearer(), 'Idempotency-Key': newKey() })
      .send({ label: 'late', expires_at: '2020-01-01T00:00:00Z' })
      .expect(400);
  });

  test('the database keeps no secret that opens anything', async () => {
    const { secret } = await newApiKey({ label: 'kept nowhere' });
    const rows = await tested.sql.query('SELECT row_to_json(k)::text AS text FROM api_keys k');
    const answers = await tested.sql.query('SELECT row_to_json(k)::text AS text FROM idempotency_keys k');
    for (const { text } of [...rows.rows, ...answers.rows]) expect(text).not.toContain(secret.split('_')[3]);
  });
});

describe('operations', () => {
  test('livez, readyz with each dependency named, metrics, openapi', async () => {
    await request(tested.url).get('/livez').expect(200);
    const ready = await request(tested.url).get('/readyz').expect(200);
    expect(ready.body.status).toBe('degraded');
    expect(ready.body.dependencies).toEqual([
      { name: 'postgresql', required: true, ok: true },
      { name: 'temporal', required: false, ok: false },
      { name: 'chain', required: false, ok: true },
    ]);
    const metrics = await request(tested.url).get('/metrics').expect(200);
    expect(metrics.text).toContain('escudo_http_request_seconds_bucket');
    const document = await request(tested.url).get('/openapi.json').expect(200);
    expect(document.body.openapi).toBe('3.1.0');
  });

  test('answers carry security, version and rate limit headers', async () => {
    const answer = await request(tested.url).get('/v1/programs').set(bearer()).expect(200);
    expect(answer.headers['escudo-version']).toBe(API_VERSIONS[0]);
    expect(answer.headers['ratelimit-policy']).toMatch(/^"default";q=\d+;w=60$/);
    expect(answer.headers.ratelimit).toMatch(/^"default";r=\d+;t=\d+$/);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(answer.headers['x-powered-by']).toBeUndefined();
  });

  test('the page of a problem', async () => {
    const answer = await request(tested.url).get('/problems/rate_limited').expect(200);
    expect(answer.body).toMatchObject({ code: 'rate_limited', status: 429 });
    await request(tested.url).get('/problems/toString').expect(404);
  });
});

test('a key that asks too often is told to wait', async () => {
  const slow = await startApiUnderTest({ API_REQUESTS_PER_MINUTE: '3' });
  try {
    const own = await slow.createOrganization('slow');
    const ask = () => request(slow.url).get('/v1/organization').set('Authorization', `Bearer ${own.key}`);
    for (let count = 0; count < 3; count += 1) await ask().expect(200);
    const refused = await ask().expect(429);
    expect(refused.body.code).toBe('rate_limited');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  } finally {
    await slow.end();
  }
});
