import type { AuthorizationWork } from '../../services/authorizations/follow-authorization';
import { createWorkflowAsker } from '../../services/temporal/workflow-asker';
import { progress } from '../../workflows/spend-authorization/messages';
import { eventually, scripted, startTemporalWorld, type TemporalWorld, uniqueId } from '../builders/temporal-world';
import { temporalServer } from '../setup/temporal';

const HOUR_MS = 3_600_000;

function work(given: Partial<AuthorizationWork>): AuthorizationWork {
  return { state: 'pending', postingsToFund: [], done: false, waitMs: HOUR_MS, ...given };
}

describe('spendAuthorization', () => {
  let world: TemporalWorld | null = null;
  /** Sales of these tests go on until the test ends them. */
  let sale: { readonly end: Promise<unknown>; readonly finish: () => void };

  beforeEach(() => {
    let finish: () => void = () => undefined;
    const end = new Promise((resolve) => {
      finish = () => resolve({ done: true, state: 'paid_out' });
    });
    sale = { end, finish };
  });

  afterEach(async () => {
    sale.finish();
    await world?.stop();
    world = null;
  });

  async function begin(...results: [AuthorizationWork, ...AuthorizationWork[]]) {
    const follow = scripted(...results);
    world = await startTemporalWorld(temporalServer(), {
      followAuthorization: follow.activity,
      advanceSale: () => sale.end,
    });
    const id = uniqueId();
    const workflow = {
      workflowType: 'spendAuthorization' as const,
      workflowId: `authorization:${id}`,
      input: { organizationId: 'org', authorizationId: id },
    };
    return { ...world, follow, workflow, handle: world.temporal.client.workflow.getHandle(workflow.workflowId) };
  }

  it('looks at the rows again for each message, and only then', async () => {
    const { starter, follow, workflow, handle } = await begin(
      work({}),
      work({ state: 'partially_cleared' }),
      work({ state: 'cleared', done: true }),
    );
    expect(await starter.start(workflow)).toEqual({ kind: 'started' });
    await eventually('the first look', () => follow.calls() === 1);
    await starter.signalWithStart({ ...workflow, signal: 'cardEvent', messageId: 'first' });
    await eventually('the second look', () => follow.calls() === 2);
    await eventually('the state is told', async () => (await handle.query(progress)).state === 'partially_cleared');
    // The relay may repeat a signal; its message id is known.
    await starter.signalWithStart({ ...workflow, signal: 'cardEvent', messageId: 'first' });
    await eventually('the repetition arrived', async () => {
      const { events } = await handle.fetchHistory();
      return (events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes).length === 2;
    });
    expect(follow.calls()).toBe(2);
    await starter.signalWithStart({ ...workflow, signal: 'cardEvent', messageId: 'second' });
    await handle.result();
    expect(follow.calls()).toBe(3);
  });

  it('lets the deadline be an alarm that makes it look', async () => {
    const { starter, follow, workflow, handle } = await begin(
      work({ waitMs: 50 }),
      work({ state: 'expired', done: true }),
    );
    await starter.start(workflow);
    await handle.result();
    expect(follow.calls()).toBe(2);
  });

  it('never runs again by a start, but does by a message that came after its end', async () => {
    const { starter, follow, workflow, handle } = await begin(
      work({ state: 'expired', done: true }),
      work({ state: 'expired', done: true }),
    );
    await starter.start(workflow);
    await handle.result();
    expect(await starter.start(workflow)).toEqual({ kind: 'already_started' });
    expect(follow.calls()).toBe(1);
    // A clearing after expiry.
    expect(await starter.signalWithStart({ ...workflow, signal: 'cardEvent', messageId: 'late' })).toEqual({
      kind: 'signalled',
    });
    await handle.result();
    expect(follow.calls()).toBe(2);
  });

  it('takes a message that comes before its start, whose start is then nothing new', async () => {
    const { starter, follow, workflow, handle } = await begin(work({}), work({ state: 'reversed', done: true }));
    await starter.signalWithStart({ ...workflow, signal: 'cardEvent', messageId: 'early' });
    await eventually('the first look', () => follow.calls() === 1);
    expect(await starter.start(workflow)).toEqual({ kind: 'already_started' });
    await starter.signalWithStart({ ...workflow, signal: 'cardEvent', messageId: 'next' });
    await handle.result();
  });

  it('follows a purchase of which a message comes although the question was lost on the way', async () => {
    const { starter, follow, workflow, handle } = await begin(work({ state: 'reversed', done: true }));
    const asked = { ...workflow, input: { ...workflow.input, asked: 'clearing' } };
    await starter.start(asked);
    await eventually('it waits for the question', async () => (await handle.query(progress)).state === 'unknown');
    expect(follow.calls()).toBe(0);
    await starter.signalWithStart({ ...workflow, signal: 'cardEvent', messageId: 'cleared' });
    await handle.result();
    expect(follow.calls()).toBe(1);
  });

  it('looks again after an answer that may not have been stored, and fails nothing by it', async () => {
    const decide = scripted({ reply: { declineReason: 'internal_error' }, next: 'look_later' });
    const follow = scripted(work({ state: 'never_decided', done: true }));
    world = await startTemporalWorld(temporalServer(), {
      decideAuthorization: decide.activity,
      followAuthorization: follow.activity,
    });
    const id = uniqueId();
    const workflow = {
      workflowType: 'spendAuthorization' as const,
      workflowId: `authorization:${id}`,
      input: { organizationId: 'org', authorizationId: id, asked: 'clearing' },
    };
    const asker = createWorkflowAsker(world.temporal);
    expect(await asker.ask({ ...workflow, update: 'decide', argument: {} }, 20_000)).toEqual({
      kind: 'answered',
      answer: { declineReason: 'internal_error' },
    });
    expect(follow.calls()).toBe(0);
    await world.starter.signalWithStart({ ...workflow, signal: 'cardEvent', messageId: 'told' });
    await world.temporal.client.workflow.getHandle(workflow.workflowId).result();
    expect([decide.calls(), follow.calls()]).toEqual([1, 1]);
  });

  it('looks at once where a purchase is funded as soon as it is approved', async () => {
    const decide = scripted({ reply: { outcome: 'approved' }, next: 'follow' });
    const follow = scripted(work({ state: 'cleared', done: true }));
    world = await startTemporalWorld(temporalServer(), {
      decideAuthorization: decide.activity,
      followAuthorization: follow.activity,
    });
    const id = uniqueId();
    const asker = createWorkflowAsker(world.temporal);
    const workflowId = `authorization:${id}`;
    await asker.ask(
      {
        workflowType: 'spendAuthorization',
        workflowId,
        input: { organizationId: 'org', authorizationId: id, asked: 'authorization' },
        update: 'decide',
        argument: {},
      },
      20_000,
    );
    await world.temporal.client.workflow.getHandle(workflowId).result();
    expect(follow.calls()).toBe(1);
  });

  it('starts the funding of each posting once, in workflows that outlive it', async () => {
    const posting = uniqueId();
    const toFund = [{ postingId: posting, workflowType: 'fundSale' as const, workflowId: `sale:${posting}` }];
    const { starter, temporal, workflow, handle } = await begin(
      work({ postingsToFund: toFund, waitMs: 20 }),
      work({ postingsToFund: toFund, waitMs: 20 }),
      work({ state: 'cleared', done: true }),
    );
    await starter.start(workflow);
    await handle.result();
    const { events } = await handle.fetchHistory();
    const initiated = (events ?? []).filter((event) => event.startChildWorkflowExecutionInitiatedEventAttributes);
    expect(initiated).toHaveLength(1);
    const child = await temporal.client.workflow.getHandle(`sale:${posting}`).describe();
    expect(child.type).toBe('fundSale');
    expect(child.status.name).toBe('RUNNING');
    await temporal.client.workflow.getHandle(`sale:${posting}`).terminate();
  });

  it('looks again as soon as the funding has ended, without waiting for an alarm', async () => {
    const posting = uniqueId();
    const toFund = [{ postingId: posting, workflowType: 'fundSale' as const, workflowId: `sale:${posting}` }];
    const { starter, follow, workflow, handle } = await begin(
      work({ state: 'cleared', postingsToFund: toFund }),
      work({ state: 'cleared', done: true }),
    );
    await starter.start(workflow);
    await eventually('the sale is under way', () => follow.calls() === 1);
    sale.finish();
    await handle.result();
    expect(follow.calls()).toBe(2);
  });

  it('leaves funding alone that was started before', async () => {
    const posting = uniqueId();
    const toFund = [{ postingId: posting, workflowType: 'fundSale' as const, workflowId: `sale:${posting}` }];
    const { starter, temporal, workflow, handle } = await begin(
      work({ postingsToFund: toFund, waitMs: 20 }),
      work({ state: 'cleared', done: true }),
    );
    await starter.start({
      workflowType: 'fundSale',
      workflowId: `sale:${posting}`,
      input: { organizationId: 'org', postingId: posting },
    });
    const before = await temporal.client.workflow.getHandle(`sale:${posting}`).describe();
    await starter.start(workflow);
    await handle.result();
    const after = await temporal.client.workflow.getHandle(`sale:${posting}`).describe();
    expect(after.runId).toBe(before.runId);
    await temporal.client.workflow.getHandle(`sale:${posting}`).terminate();
  });
});
