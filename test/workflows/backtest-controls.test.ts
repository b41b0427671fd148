import { eventually, scripted, startTemporalWorld, type TemporalWorld, uniqueId } from '../builders/temporal-world';
import { temporalServer } from '../setup/temporal';

describe('backtestControls', () => {
  let world: TemporalWorld | null = null;

  afterEach(async () => {
    await world?.stop();
    world = null;
  });

  async function begin(activities: Readonly<Record<string, (input: unknown) => Promise<unknown>>>) {
    world = await startTemporalWorld(temporalServer(), activities);
    const id = uniqueId();
    const workflow = {
      workflowType: 'backtestControls' as const,
      workflowId: `backtest:${id}`,
      input: { organizationId: 'org', backtestId: id },
    };
    return { ...world, workflow, handle: world.temporal.client.workflow.getHandle(workflow.workflowId) };
  }

  const more = { done: false, state: 'running', reason: 'more pages', waitMs: 0 };

  it('takes one step after the other until the row says that it is over', async () => {
    const advance = scripted<unknown>(more, more, more, { done: true, state: 'finished' });
    const { starter, workflow, handle } = await begin({ advanceBacktest: advance.activity });
    expect(await starter.start(workflow)).toEqual({ kind: 'started' });
    await handle.result();
    expect(advance.calls()).toBe(4);
    expect(await starter.start(workflow)).toEqual({ kind: 'already_started' });
  });

  it('goes on after a step that failed', async () => {
    let calls = 0;
    const { starter, workflow, handle } = await begin({
      async advanceBacktest() {
        calls += 1;
        if (calls === 2) throw new Error('the database went away');
        return calls < 4 ? more : { done: true, state: 'cancelled' };
      },
    });
    await starter.start(workflow);
    await handle.result();
    expect(calls).toBe(4);
  });

  it('is taken up again by a signal when its run was lost', async () => {
    const advance = scripted<unknown>(more, { done: true, state: 'finished' });
    const { starter, workflow, handle } = await begin({ advanceBacktest: advance.activity });
    await starter.signalWithStart({ ...workflow, signal: 'backtestChanged', messageId: 'resumed' });
    await handle.result();
    await eventually('it has ended', () => advance.calls() >= 2);
  });
});
