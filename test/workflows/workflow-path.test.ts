import { rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { readEmbeddedConfig } from '../../embedded/config';
import { freePort } from '../../embedded/free-port';
import { startTemporal } from '../../embedded/temporal';
import { findTemporalBinary } from '../../embedded/temporal-binary';
import { temporaryFolder } from '../../embedded/temporary-folder';
import type { FallbackCause } from '../../services/authorizations/answer-authorization';
import type { AuthorizationReply, AuthorizationRequest } from '../../services/providers/processor/port';
import { required } from '../../services/shared/assert';
import { purchase, type WorldAccount } from '../builders/spending-world';
import { eventually } from '../builders/temporal-world';
import { purchaseRuns, WorkflowPathWorld } from '../builders/workflow-path-world';
import { temporalServer } from '../setup/temporal';

/** Long enough that only what is meant to be slow is late, on a machine that does other things as well. */
const PATIENT = { deadlineMs: 10_000, breaker: { failures: 3, open_seconds: 1 } };
const HASTY = { deadlineMs: 400, breaker: { failures: 3, open_seconds: 1 } };

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Stands between somebody and Temporal, and can keep what goes either way. */
async function openProxy(address: string) {
  const [host, port] = address.split(':');
  const sockets = new Set<Socket>();
  const kept = { requests: false, answers: false };
  const waiting: (() => void)[] = [];
  const carry = (from: Socket, to: Socket, way: keyof typeof kept) =>
    from.on('data', (chunk: Buffer) => {
      const pass = () => void (to.writable && to.write(chunk));
      if (kept[way]) waiting.push(pass);
      else pass();
    });
  const server: Server = createServer((near) => {
    const far = connect({ host: host ?? '', port: Number(port) });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(one);
          other.destroy();
        });
    }
    carry(near, far, 'requests');
    carry(far, near, 'answers');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    keep(way: keyof typeof kept) {
      kept[way] = true;
    },
    letGo() {
      kept.requests = false;
      kept.answers = false;
      for (const pass of waiting.splice(0)) pass();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe('the workflow path', () => {
  let world: WorkflowPathWorld;
  const shared = temporalServer();

  beforeEach(async () => {
    world = await WorkflowPathWorld.create({
      accounts: 8,
      funds: { USDC: 10n ** 12n },
      policy: { limits: { per_transaction_amount: '100000' } },
    });
  });

  afterEach(async () => {
    await world.end();
  });

  const account = (index: number): WorldAccount =>
    required(world.spending.accounts[index % world.spending.accounts.length], 'an account');

  const runs = (server: typeof shared) => purchaseRuns(world.openClient(server), server.taskQueue);

  it('has a purchase decided by its workflow, which follows it if it is approved and ends if not', async () => {
    const server = { ...shared, taskQueue: `${shared.taskQueue}-plain` };
    await world.startWorker(server);
    const desk = world.openDesk(server, PATIENT);
    const approved = await Promise.all([0, 1, 2, 3].map((n) => desk.authorize(purchase(account(n), 1_000n))));
    const declined = await desk.authorize(purchase(account(4), 20_000_000n));
    const inquiry = await desk.authorize(purchase(account(5), 0n, { kind: 'balance_inquiry' }));
    expect(approved.map(({ outcome, approvedAmount }) => ({ outcome, approvedAmount }))).toEqual(
      approved.map(() => ({ outcome: 'approved', approvedAmount: 1_000n })),
    );
    expect(declined).toMatchObject({ outcome: 'declined', approvedAmount: 0n });
    expect(inquiry.outcome).toBe('approved');
    expect(inquiry.balance).toBeGreaterThan(0n);
    expect(desk.answers).toEqual(Array.from({ length: 6 }, () => ({ path: 'workflow', fallback: null })));
    expect(desk.failures).toEqual([]);

    const stored = await world.stored();
    expect(stored.map(({ id }) => id).sort()).toEqual(
      [...approved, declined, inquiry].map(({ authorizationId }) => authorizationId).sort(),
    );
    const following = approved.map(({ authorizationId }) => authorizationId).sort();
    await eventually('the others have ended', async () =>
      (await runs(server)).every(({ id, status }) => (status === 'RUNNING') === following.includes(id)),
    );
    expect(await runs(server)).toHaveLength(6);

    // The outbox starts what it finds; every one of these is followed already.
    const relay = world.startRelay(server);
    await eventually('nothing waits', () => world.nothingWaits());
    expect(relay.outcomes).toEqual(following.map(() => 'already_started'));
    expect(await runs(server)).toHaveLength(6);

    // Until there is news of it, a purchase that is funded when it clears costs nothing but a timer.
    const history = await world
      .openClient(server)
      .client.workflow.getHandle(`authorization:${following[0]}`)
      .fetchHistory();
    const events = history.events ?? [];
    expect(events.filter((event) => event.activityTaskScheduledEventAttributes)).toEqual([]);
    expect(events.filter((event) => event.timerStartedEventAttributes)).toHaveLength(1);
    // Nothing of the request stands in the clear.
    expect(JSON.stringify(history)).not.toContain('Corner Grocer');
    expect(
      Buffer.from(JSON.stringify(events.map((event) => event.workflowExecutionUpdateAcceptedEventAttributes))).includes(
        account(0).cardToken,
      ),
    ).toBe(false);
  });

  it('gives a message one answer, whichever process it comes to, and follows it once', async () => {
    const server = { ...shared, taskQueue: `${shared.taskQueue}-repeated` };
    await world.startWorker(server);
    const desks = [1, 2, 3].map(() => world.openDesk(server, PATIENT));
    const requests = [0, 1, 2, 3].map((n) => purchase(account(n), 700n));
    const replies = await Promise.all(
      requests.map((request) =>
        Promise.all(desks.flatMap((desk) => [desk.authorize(request), desk.authorize(request)])),
      ),
    );
    for (const same of replies) expect(new Set(same.map(({ authorizationId }) => authorizationId)).size).toBe(1);
    expect(replies.flat().every(({ outcome }) => outcome === 'approved')).toBe(true);
    expect(await world.stored()).toHaveLength(4);
    expect(await world.holds()).toEqual({ count: 4, unaccounted: 0n });
    world.startRelay(server);
    await eventually('nothing waits', () => world.nothingWaits());
    const followed = replies.map(([reply]) => reply?.authorizationId ?? '').sort();
    await eventually('workflows of repetitions have ended', async () => {
      const open = (await runs(server)).filter(({ status }) => status === 'RUNNING');
      return open.length === followed.length;
    });
    const open = (await runs(server)).filter(({ status }) => status === 'RUNNING');
    expect(open.map(({ id }) => id)).toEqual(followed);
    // Other content under the same id is refused, whatever path it takes.
    const [request] = requests;
    const reused = { ...required(request, 'a request'), amount: 900n, contentHash: 'other' };
    expect(await desks[0]?.authorize(reused)).toMatchObject({ declineReason: 'duplicate_conflict' });
    expect(await world.holds()).toEqual({ count: 4, unaccounted: 0n });
  });

  it('asks a workflow for more on a known purchase too, and knows that its answer was given', async () => {
    const server = { ...shared, taskQueue: `${shared.taskQueue}-more` };
    await world.startWorker(server);
    const desk = world.openDesk(server, PATIENT);
    const first = purchase(account(0), 1_000n);
    expect((await desk.authorize(first)).outcome).toBe('approved');
    const more = [1, 2].map((number) => ({
      ...first,
      messageId: `${first.messageId}-${number}`,
      amount: 500n,
      amountBasis: 'delta' as const,
    }));
    for (const request of more) {
      expect(await desk.authorize(request)).toMatchObject({ outcome: 'approved', approvedAmount: 500n });
    }
    expect(desk.answers.at(-1)).toEqual({ path: 'workflow', fallback: null });
    // The second one's answer never leaves.
    desk.answered(required(more[0], 'the first increment'));
    await desk.close();
    const { rows } = await world.superuser.query(
      'SELECT message_id, answer_state FROM authorization_amendments ORDER BY id',
    );
    expect(rows).toEqual([
      { message_id: more[0]?.messageId, answer_state: 'given' },
      { message_id: more[1]?.messageId, answer_state: 'awaited' },
    ]);
  });

  it('returns what the worker committed when only its answer was lost', async () => {
    const server = { ...shared, taskQueue: `${shared.taskQueue}-lost` };
    await world.startWorker(server);
    const proxy = await openProxy(server.address);
    const desk = world.openDesk({ ...server, address: proxy.address }, HASTY);
    await desk.authorize(purchase(account(0), 100n));
    proxy.keep('answers');
    const request = purchase(account(1), 1_234n);
    const reply = await desk.authorize(request);
    expect(reply.outcome).toBe('approved');
    expect(desk.answers.at(-1)).toEqual({ path: 'direct', fallback: 'timeout' });
    expect(await world.holds()).toEqual({ count: 2, unaccounted: 0n });
    desk.answered(request);
    await desk.close();
    // The hold stands in a batch of the worker; that its answer was given is known all the same.
    const { rows } = await world.superuser.query(
      `SELECT b.answered_at IS NOT NULL AS heard FROM outbox_batches b JOIN authorizations a ON a.batch_id = b.id WHERE a.id = $1`,
      [reply.authorizationId],
    );
    expect(rows).toEqual([{ heard: true }]);

    const more = { ...request, messageId: `${request.messageId}-more`, amount: 500n, amountBasis: 'delta' as const };
    expect(await desk.authorize(more)).toMatchObject({ outcome: 'approved', approvedAmount: 500n });
    expect(desk.answers.at(-1)).toEqual({ path: 'direct', fallback: 'timeout' });
    desk.answered(more);
    await desk.close();
    const increments = await world.superuser.query('SELECT answer_state FROM authorization_amendments');
    expect(increments.rows).toEqual([{ answer_state: 'given' }]);
    proxy.letGo();
    world.startRelay(server);
    await eventually('nothing waits', () => world.nothingWaits());
    expect((await runs(server)).filter(({ id }) => id === reply.authorizationId)).toEqual([
      { id: reply.authorizationId, status: 'RUNNING' },
    ]);
    proxy.close();
  });

  it('answers directly while no worker is there, and the workflow finds that answer afterwards', async () => {
    const server = { ...shared, taskQueue: `${shared.taskQueue}-workerless` };
    const desk = world.openDesk(server, HASTY);
    const approved = purchase(account(0), 500n);
    const declined = purchase(account(1), 20_000_000n);
    const replies = [await desk.authorize(approved), await desk.authorize(declined)];
    expect(replies.map(({ outcome }) => outcome)).toEqual(['approved', 'declined']);
    expect(desk.answers.map(({ path: by }) => by)).toEqual(['direct', 'direct']);
    world.startRelay(server);
    await eventually('nothing waits', () => world.nothingWaits());
    await world.startWorker(server);
    await eventually('the declined one has ended', async () => {
      const all = await runs(server);
      return all.length === 2 && all.filter(({ status }) => status === 'COMPLETED').length === 1;
    });
    expect((await runs(server)).filter(({ status }) => status === 'RUNNING')).toEqual([
      { id: replies[0]?.authorizationId, status: 'RUNNING' },
    ]);
    expect(await world.stored()).toHaveLength(2);
    expect(await world.holds()).toEqual({ count: 1, unaccounted: 0n });
  });

  it('opens its breaker when workflows do not answer, and closes it when they do again', async () => {
    const server = { ...shared, taskQueue: `${shared.taskQueue}-breaker` };
    await world.startWorker(server);
    const proxy = await openProxy(server.address);
    const desk = world.openDesk({ ...server, address: proxy.address }, HASTY);
    await eventually('the first answer of a workflow', async () => {
      await desk.authorize(purchase(account(0), 100n));
      return desk.answers.at(-1)?.path === 'workflow';
    });
    desk.answers.splice(0);
    desk.breaker.splice(0);
    proxy.keep('requests');
    for (let n = 0; n < 5; n += 1) expect((await desk.authorize(purchase(account(n), 100n))).outcome).toBe('approved');
    expect(desk.answers.map(({ fallback }) => fallback)).toEqual([
      'timeout',
      'timeout',
      'timeout',
      'breaker_open',
      'breaker_open',
    ]);
    expect(desk.breaker).toEqual(['open']);
    proxy.letGo();
    await eventually('a workflow answers again', async () => {
      await desk.authorize(purchase(account(6), 100n));
      return desk.answers.at(-1)?.path === 'workflow';
    });
    expect(desk.breaker.slice(0, 2)).toEqual(['open', 'half_open']);
    expect(desk.breaker.at(-1)).toBe('closed');
    proxy.close();
  });

  it('leaves nobody without an answer and decides nothing twice while Temporal is stopped, restarted and stands still', async () => {
    const folder = temporaryFolder('escudo-workflow-path-');
    const port = await freePort();
    const binary = await findTemporalBinary(readEmbeddedConfig(), () => undefined);
    const databaseFile = path.join(folder, 'temporal.db');
    const start = () => startTemporal({ binary, port, databaseFile, logFile: path.join(folder, 'temporal.log') });
    let temporal = await start();
    const server = { address: temporal.address, namespace: 'default', taskQueue: 'own' };
    const worker = await world.startWorker(server);
    await eventually('the worker takes tasks', () => worker.isRunning());
    const desks = [1, 2].map(() => world.openDesk(server, { ...HASTY, deadlineMs: 1_500 }));
    world.startRelay(server);

    const given = new Map<string, AuthorizationReply>();
    const asked: AuthorizationRequest[] = [];
    let going = true;
    const cardholders = world.spending.accounts.map(async (holder, index) => {
      const desk = required(desks[index % desks.length], 'a desk');
      const other = required(desks[(index + 1) % desks.length], 'a desk');
      for (let n = 0; going; n += 1) {
        const request = purchase(holder, n % 5 === 4 ? 20_000_000n : 100n + BigInt(n));
        asked.push(request);
        const reply = await desk.authorize(request);
        given.set(request.messageId, reply);
        desk.answered(request);
        // Now and then the network asks again, and somebody else takes the call.
        if (n % 7 === 3) expect(await other.authorize(request)).toEqual(reply);
        await later(2_000);
      }
    });
    /** Purchases go on until 16 more were answered, at least one of them in each of these ways. */
    const phase = async (what: string, ...ways: readonly (FallbackCause | 'workflow')[]) => {
      const before = given.size;
      const seen = new Set<string>();
      for (const desk of desks) desk.answers.splice(0);
      // A worker that lost its Temporal takes its time to come back.
      for (let waited = 0; waited < 60_000; waited += 25) {
        await later(25);
        for (const desk of desks) for (const { fallback } of desk.answers.splice(0)) seen.add(fallback ?? 'workflow');
        if (ways.every((way) => seen.has(way)) && given.size >= before + 16) return;
      }
      throw new Error(`not so after a minute: ${what}; seen ${[...seen].join(', ')}`);
    };

    try {
      await phase('purchases with Temporal', 'workflow');
      await temporal.stop();
      await phase('purchases without Temporal', 'breaker_open');
      temporal = await start();
      await phase('purchases with Temporal again', 'workflow');
      temporal.process.kill('SIGSTOP');
      await phase('purchases while Temporal stands still', 'timeout', 'breaker_open');
      temporal.process.kill('SIGCONT');
      await phase('purchases once it goes on', 'workflow');
    } finally {
      temporal.process.kill('SIGCONT');
      going = false;
      await Promise.all(cardholders);
    }

    // Each has its answer, in time, and is stored as it was answered, once.
    expect(given.size).toBe(asked.length);
    expect([...given.values()].filter(({ declineReason }) => declineReason === 'late')).toEqual([]);
    const stored = await world.stored();
    expect(stored.map(({ message_id }) => message_id).sort()).toEqual([...given.keys()].sort());
    for (const { id, message_id, approved, decline_reason } of stored) {
      const reply = required(given.get(message_id), 'a reply');
      expect({ id, approved, decline_reason }).toEqual({
        id: reply.authorizationId,
        approved: reply.approvedAmount.toString(),
        decline_reason: reply.declineReason,
      });
    }
    const approved = stored.filter(({ decline_reason }) => decline_reason === null);
    expect(await world.holds()).toEqual({ count: approved.length, unaccounted: 0n });

    // Every approved one is followed, by exactly one workflow; whatever else was started has ended.
    await eventually('nothing waits', () => world.nothingWaits());
    const followed = approved.map(({ id }) => id).sort();
    await eventually('only purchases that hold something are followed', async () => {
      const open = (await runs(server)).filter(({ status }) => status === 'RUNNING');
      return open.length === followed.length;
    });
    const all = await runs(server);
    expect(all.filter(({ status }) => status === 'RUNNING').map(({ id }) => id)).toEqual(followed);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    expect(desks.flatMap(({ failures }) => failures)).toEqual([]);

    for (const desk of desks) await desk.close();
    await worker.stop();
    await temporal.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 300_000);
});
