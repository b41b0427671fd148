import type { Knex } from 'knex';
import { resumeWaitingWork } from '../../../services/background/resume-waiting-work';
import { createKnex } from '../../../services/database/knex';
import { newId } from '../../../services/database/new-id';
import { inOrganization } from '../../../services/database/transaction';
import type { InboxResult, InboxSource } from '../../../services/inbox/inbox-source';
import { receiveWebhook } from '../../../services/inbox/receive-webhook';
import { sweepInbox } from '../../../services/inbox/sweep-inbox';
import { appendEvent } from '../../../services/outbox/append-event';
import { claimCommands, deleteFinishedCommands, finishCommand } from '../../../services/outbox/outbox.repository';
import { systemClock } from '../../../services/shared/clock';
import { createSpendingWorld, type SpendingWorld } from '../../builders/spending-world';
import { createTestDatabase, type TestDatabase } from '../../setup/database';

let database: TestDatabase;
let knex: Knex;
let workerKnex: Knex;
let superuser: Knex;
let world: SpendingWorld;

beforeAll(async () => {
  database = await createTestDatabase();
  knex = createKnex(database.urls.escudo_app, 4, 'test-app');
  workerKnex = createKnex(database.urls.escudo_worker, 4, 'test-worker');
  superuser = createKnex(database.superuserUrl, 2, 'test-superuser');
  world = await createSpendingWorld(database.superuserUrl, { accounts: 1 });
});

afterAll(async () => {
  await Promise.all([knex.destroy(), workerKnex.destroy(), superuser.destroy()]);
  await database.drop();
});

describe('inbox', () => {
  /** A vendor whose messages are JSON with an id, signed by nothing but a header. */
  function source(process: (text: string) => Promise<InboxResult>): InboxSource {
    return {
      vendor: 'test-vendor',
      topic: 'test',
      verify: (_raw, headers) =>
        headers['signature'] === 'good' ? { kind: 'valid' } : { kind: 'invalid', detail: 'wrong signature' },
      messageId: ({ raw }) => /id=(\S+)/.exec(raw.toString())?.[1] ?? null,
      process: ({ raw }) => process(raw.toString()),
    };
  }

  const deps = () => ({ knex, clock: systemClock });
  const request = (text: string, signature = 'good') => ({ raw: Buffer.from(text), headers: { signature } });
  const rowOf = (messageId: string) => superuser('inbox_messages').where({ message_id: messageId }).first();

  it('stores nothing of a message with a bad signature', async () => {
    const id = newId();
    const outcome = await receiveWebhook(
      deps(),
      source(async () => ({ kind: 'processed' })),
      request(`id=${id}`, 'forged'),
    );
    expect(outcome).toEqual({ kind: 'invalid_signature', detail: 'wrong signature' });
    expect(await rowOf(id)).toBeUndefined();
  });

  it('acts on a message once, however often it comes', async () => {
    const id = newId();
    const acted: string[] = [];
    const once = source(async (text) => {
      acted.push(text);
      return { kind: 'processed' };
    });
    expect(await receiveWebhook(deps(), once, request(`id=${id}`))).toEqual({
      kind: 'stored',
      outcome: { kind: 'processed' },
    });
    expect(await receiveWebhook(deps(), once, request(`id=${id}`))).toEqual({ kind: 'duplicate' });
    expect(acted).toEqual([`id=${id}`]);
  });

  it('refuses an id that comes again with other content', async () => {
    const id = newId();
    const acted: string[] = [];
    const once = source(async (text) => {
      acted.push(text);
      return { kind: 'processed' };
    });
    await receiveWebhook(deps(), once, request(`id=${id} amount=1`));
    const other = await receiveWebhook(deps(), once, request(`id=${id} amount=2`));
    expect(other).toMatchObject({ kind: 'stored', outcome: { kind: 'conflict' } });
    expect(acted).toEqual([`id=${id} amount=1`]);
  });

  it('keeps what it could not act on, and the sweeper finishes it when it is due', async () => {
    const id = newId();
    let broken = true;
    const flaky = source(async () => {
      if (broken) throw new Error('database away');
      return { kind: 'processed' };
    });
    expect(await receiveWebhook(deps(), flaky, request(`id=${id}`))).toMatchObject({
      kind: 'stored',
      outcome: { kind: 'deferred' },
    });
    expect(await rowOf(id)).toMatchObject({ state: 'received', attempts: 1, detail: 'database away' });
    expect(await sweepInbox(deps(), [flaky])).toBe(0);
    broken = false;
    await superuser('inbox_messages')
      .where({ message_id: id })
      .update({ next_attempt_at: new Date(0) });
    expect(await sweepInbox(deps(), [flaky])).toBe(1);
    expect(await rowOf(id)).toMatchObject({ state: 'processed', attempts: 2 });
  });

  it('takes up a message that was stored by a process that then died', async () => {
    const id = newId();
    await superuser('inbox_messages').insert({
      vendor: 'test-vendor',
      message_id: id,
      content_hash: 'hash',
      topic: 'test',
      headers: '{}',
      raw: Buffer.from(`id=${id}`),
      next_attempt_at: new Date(0),
    });
    const acted: string[] = [];
    const once = source(async (text) => {
      acted.push(text);
      return { kind: 'unknown', detail: 'of nobody' };
    });
    // Two sweepers at once share the work, they do not repeat it.
    const taken = await Promise.all([sweepInbox(deps(), [once]), sweepInbox(deps(), [once])]);
    expect(taken[0] + taken[1]).toBe(1);
    expect(acted).toEqual([`id=${id}`]);
    expect(await rowOf(id)).toMatchObject({ state: 'unknown', detail: 'of nobody' });
  });

  it('gives a message up to people after its last attempt', async () => {
    const id = newId();
    const broken = source(async () => {
      throw new Error('always');
    });
    await receiveWebhook(deps(), broken, request(`id=${id}`));
    await superuser('inbox_messages')
      .where({ message_id: id })
      .update({ attempts: 19, next_attempt_at: new Date(0) });
    await sweepInbox(deps(), [broken]);
    expect(await rowOf(id)).toMatchObject({ state: 'failed', attempts: 20 });
  });

  it('stores what it cannot read under its content', async () => {
    const text = `nothing to go by ${newId()}`;
    const unreadable = source(async () => ({ kind: 'unknown', detail: 'not understood' }));
    expect(await receiveWebhook(deps(), unreadable, request(text))).toMatchObject({ outcome: { kind: 'unknown' } });
    expect(await receiveWebhook(deps(), unreadable, request(text))).toEqual({ kind: 'duplicate' });
  });
});

describe('outbox rows', () => {
  async function waitingCommand(): Promise<string> {
    const id = newId();
    await superuser('outbox_commands').insert({
      organization_id: world.organizationId,
      id,
      workflow_type: 'cardIssuance',
      workflow_id: `card-issuance:${id}`,
      payload: JSON.stringify({ organizationId: world.organizationId, cardId: id }),
    });
    return id;
  }

  it('are claimed by one relay at a time, and by another once the lease has ended', async () => {
    const id = await waitingCommand();
    expect((await claimCommands(workerKnex, 10, 60_000)).map((command) => command.id)).toEqual([id]);
    expect(await claimCommands(workerKnex, 10, 60_000)).toEqual([]);
    await superuser('outbox_commands')
      .where({ id })
      .update({ available_at: new Date(0) });
    expect(await claimCommands(workerKnex, 10, 60_000)).toMatchObject([{ id, attempts: 2 }]);
    await finishCommand(workerKnex, world.organizationId, id);
  });

  it('are forgotten once they were carried out long ago, and never before', async () => {
    const [done, waiting] = [await waitingCommand(), await waitingCommand()];
    await superuser('outbox_commands')
      .where({ id: done })
      .update({ done_at: new Date('2020-01-01') });
    expect(await deleteFinishedCommands(workerKnex, new Date('2021-01-01'), 10)).toBe(1);
    expect(await superuser('outbox_commands').where({ id: waiting }).first()).toBeDefined();
    await finishCommand(workerKnex, world.organizationId, waiting);
  });

  it('events cannot be written for another organization', async () => {
    const event = { type: 'card.issued', resourceKind: 'card', resourceId: newId(), data: {} } as const;
    await expect(
      inOrganization(knex, world.organizationId, (trx) => appendEvent(trx, { ...event, organizationId: newId() })),
    ).rejects.toThrow(/row-level security/);
  });
});

describe('work that stands still', () => {
  it('is told to its workflow, once in a while and not while it is about to be told', async () => {
    const cardId = world.accounts[0]?.cardId ?? '';
    const old = new Date(Date.now() - 3_600_000);
    await superuser('cards')
      .where({ id: cardId })
      .update({ state: 'paused', processor_state: 'active', updated_at: old });
    const deps = { knex, workerKnex, clock: systemClock, resumed: new Map<string, Date>() };
    const commands = () =>
      superuser('outbox_commands')
        .where({ workflow_id: `card-issuance:${cardId}` })
        .select('signal', 'payload', 'done_at');

    expect(await resumeWaitingWork(deps)).toBe(1);
    expect(await commands()).toMatchObject([
      { signal: 'cardStateChanged', payload: { organizationId: world.organizationId, cardId }, done_at: null },
    ]);
    // Another process, which has not noted it, sees the command that waits.
    expect(await resumeWaitingWork({ ...deps, resumed: new Map() })).toBe(0);
    await superuser('outbox_commands').update({ done_at: new Date() });
    expect(await resumeWaitingWork(deps)).toBe(0);
    expect(await resumeWaitingWork({ ...deps, resumed: new Map() })).toBe(1);
    await superuser('outbox_commands').update({ done_at: new Date() });
    await superuser('cards').where({ id: cardId }).update({ processor_state: 'paused', updated_at: old });
    expect(await resumeWaitingWork({ ...deps, resumed: new Map() })).toBe(0);
  });

  it('leaves work alone that moved lately', async () => {
    const cardId = world.accounts[0]?.cardId ?? '';
    await superuser('cards').where({ id: cardId }).update({ processor_state: 'active', updated_at: new Date() });
    const deps = { knex, workerKnex, clock: systemClock, resumed: new Map<string, Date>() };
    expect(await resumeWaitingWork(deps)).toBe(0);
    await superuser('cards').where({ id: cardId }).update({ processor_state: 'paused' });
  });
});
