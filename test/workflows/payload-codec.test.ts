import { ApplicationFailure } from '@temporalio/activity';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { createPayloadCodec } from '../../services/temporal/payload-codec';
import { startTemporalWorld, TEST_CODEC_KEY, uniqueId } from '../builders/temporal-world';
import { temporalServer } from '../setup/temporal';

const CANARY = 'canary-4539148803436467-canary';

/** Every string and byte string in a history, decoded from base64 as far as it is that. */
function everythingIn(value: unknown): string {
  if (typeof value === 'string') return `${value}\n${Buffer.from(value, 'base64').toString('latin1')}\n`;
  if (Array.isArray(value)) return value.map(everythingIn).join('');
  if (typeof value === 'object' && value !== null) return Object.values(value).map(everythingIn).join('');
  return '';
}

describe('payload codec', () => {
  it('keeps inputs, results, signals and failures out of the history', async () => {
    let calls = 0;
    const server = temporalServer();
    const world = await startTemporalWorld(server, {
      advanceCard: async () => {
        calls += 1;
        if (calls === 1) throw new Error(`failed with ${CANARY}`);
        if (calls === 2) return { done: false, waitMs: 10, note: CANARY };
        throw ApplicationFailure.nonRetryable(`gave up with ${CANARY}`, 'Test', CANARY);
      },
    });
    const connection = await Connection.connect({ address: server.address });
    try {
      const workflowId = `card-issuance:${uniqueId()}`;
      await world.starter.signalWithStart({
        workflowType: 'cardIssuance',
        workflowId,
        input: { organizationId: CANARY, cardId: CANARY },
        signal: 'cardStateChanged',
        messageId: CANARY,
      });
      await expect(world.temporal.client.workflow.getHandle(workflowId).result()).rejects.toThrow();
      // Someone who reads Temporal's database: a client without our codec.
      const outsider = new Client({ connection, namespace: server.namespace });
      const history = historyToJSON(await outsider.workflow.getHandle(workflowId).fetchHistory());
      expect(JSON.parse(history).events.length).toBeGreaterThan(5);
      expect(everythingIn(JSON.parse(history))).not.toContain(CANARY);
      // The one that has the key reads the same failure in the clear.
      const failure = await world.temporal.client.workflow
        .getHandle(workflowId)
        .result()
        .catch((error: { readonly cause?: { readonly cause?: { readonly message?: string } } }) => error.cause?.cause);
      expect(failure).toMatchObject({ message: expect.stringContaining(CANARY) });
    } finally {
      await connection.close();
      await world.stop();
    }
  });

  const payload = { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('"text"') };

  it('reads what an older key wrote, and nothing that no key of ours wrote', async () => {
    const older = createPayloadCodec([Buffer.alloc(32, 1)]);
    const rotated = createPayloadCodec([TEST_CODEC_KEY, Buffer.alloc(32, 1)]);
    const encoded = await older.encode([payload]);
    const [decoded] = await rotated.decode(encoded);
    expect(Buffer.from(decoded?.data ?? []).toString()).toBe('"text"');
    await expect(createPayloadCodec([TEST_CODEC_KEY]).decode(encoded)).rejects.toThrow(/no codec key/);
  });

  it('refuses bytes or a key id that were changed', async () => {
    const codec = createPayloadCodec([TEST_CODEC_KEY, Buffer.alloc(32, 1)]);
    const [encoded] = await codec.encode([payload]);
    const data = Buffer.from(encoded?.data ?? []);
    data[20] = (data[20] ?? 0) ^ 1;
    await expect(codec.decode([{ ...encoded, data }])).rejects.toThrow();
    const [other] = await createPayloadCodec([Buffer.alloc(32, 1)]).encode([payload]);
    await expect(codec.decode([{ metadata: other?.metadata ?? {}, data: encoded?.data ?? null }])).rejects.toThrow();
    await expect(codec.decode([{ ...encoded, data: Buffer.alloc(8) }])).rejects.toThrow(/too short/);
  });

  it('encrypts the same payload differently each time', async () => {
    const codec = createPayloadCodec([TEST_CODEC_KEY]);
    const [first, second] = await codec.encode([payload, payload]);
    expect(first?.data).not.toEqual(second?.data);
  });
});
