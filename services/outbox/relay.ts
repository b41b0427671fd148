import type { Knex } from 'knex';
import type { SignalOutcome, StartOutcome, WorkflowStarter, WorkflowType } from '../temporal/port';
import { type ClaimedCommand, claimCommands, finishCommand, postponeCommand } from './outbox.repository';
import { type ClaimedBatch, claimBatches, finishBatch, postponeBatch } from './outbox-batch.repository';
import { Slots } from './slots';

/** Where committed news for Temporal waits: single commands, and batches of approved holds that each need a workflow. */
export type OutboxSource = 'commands' | 'batches';

export interface RelayDeps {
  /** A pool of the worker's role, which sees every organization's rows. */
  readonly knex: Knex;
  readonly starter: WorkflowStarter;
  readonly observe: RelayObserver;
}

/** One workflow that was to be told something. */
export interface RelayedWorkflow {
  readonly source: OutboxSource;
  readonly workflowType: WorkflowType;
  readonly workflowId: string;
  /** Of its row, this one included. */
  readonly attempts: number;
}

export interface RelayObserver {
  /** Temporal has it. `waitedMs` since it was committed. */
  relayed(workflow: RelayedWorkflow, outcome: 'started' | 'already_started' | 'signalled', waitedMs: number): void;
  /** Temporal could not be told, for now. */
  postponed(workflow: RelayedWorkflow, detail: string): void;
  /** The database could not be asked. */
  failed(error: unknown): void;
}

export interface RelayOptions {
  /** Calls to Temporal on their way at once. */
  readonly concurrency: number;
  /** Of them, the most that one source may take: however many starts wait, signals of living purchases pass. */
  readonly share: number;
  /** Batches claimed at once: what bounds the memory of a relay that catches up. */
  readonly batchesMax: number;
  /** How often an idle relay asks for rows. */
  readonly pollMs: number;
  /** After this, a claimed row belongs to whoever asks; longer than a call to Temporal may take. */
  readonly leaseMs: number;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** While Temporal is away, one row of each source is tried this often at the least. */
  readonly probeMaxMs: number;
}

/**
 * Polling, not LISTEN/NOTIFY: NOTIFY makes every commit of the cluster queue for one lock, which the authorizer's
 * commits would pay for; asking an index that is nearly empty 25 times a second costs next to nothing.
 */
export const DEFAULT_RELAY_OPTIONS: RelayOptions = {
  concurrency: 16,
  share: 12,
  batchesMax: 4,
  pollMs: 40,
  leaseMs: 30_000,
  retryMinMs: 200,
  retryMaxMs: 15_000,
  probeMaxMs: 2_000,
};

export interface RunningRelay {
  /** Takes no further row and waits for those on their way. */
  stop(): Promise<void>;
}

/** A table of waiting rows, as the loop below works through it. */
interface Source {
  /** Rows on their way at once. */
  readonly rowsMax: number;
  /** Takes rows for the lease and begins to carry them out. */
  claim(limit: number): Promise<readonly Promise<void>[]>;
}

/**
 * Carries committed rows to Temporal, at least once. Nothing is lost: a row counts as done only after Temporal has all of
 * it. Nothing is doubled: a start is rejected when its workflow id was used before, a signal carries the command's id.
 * While Temporal is away, one row of each source asks for it and all others stay as they are, so that tens of thousands
 * that wait cost nothing and go at full speed once it is back. Any number of relays may run at once.
 */
export function startRelay(deps: RelayDeps, options: RelayOptions = DEFAULT_RELAY_OPTIONS): RunningRelay {
  const slots = new Slots<OutboxSource>(options.concurrency, options.share);
  const wakers = new Set<() => void>();
  let stopping = false;
  /** Temporal could not be told something since it was last told anything. */
  let away = false;

  const wakeAll = () => {
    for (const wake of wakers) wake();
  };
  const pause = (waitMs: number) =>
    new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        wakers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      wakers.add(wake);
    });

  /** What kept Temporal from being told, or null. */
  const tell = async (
    workflow: RelayedWorkflow,
    createdAt: Date,
    call: () => Promise<StartOutcome | SignalOutcome>,
  ): Promise<string | null> => {
    const outcome = await slots.run(workflow.source, call);
    if (outcome.kind === 'unavailable') {
      away = true;
      return outcome.detail;
    }
    if (away) {
      away = false;
      wakeAll();
    }
    deps.observe.relayed(workflow, outcome.kind, Date.now() - createdAt.getTime());
    return null;
  };
  const backoffMs = (attempts: number): number =>
    Math.min(options.retryMaxMs, options.retryMinMs * 2 ** Math.min(attempts - 1, 20));

  const carryCommand = async (command: ClaimedCommand): Promise<void> => {
    const { organization_id, id, attempts } = command;
    const workflow: RelayedWorkflow = {
      source: 'commands',
      workflowType: command.workflow_type,
      workflowId: command.workflow_id,
      attempts,
    };
    const failure = await tell(workflow, command.created_at, () => callFor(deps.starter, command));
    if (failure === null) return finishCommand(deps.knex, organization_id, id);
    await postponeCommand(deps.knex, organization_id, id, backoffMs(attempts), failure);
    deps.observe.postponed(workflow, failure);
  };

  /** One workflow that cannot be started keeps its batch waiting, but not the others of it. */
  const carryBatch = async (batch: ClaimedBatch): Promise<void> => {
    const failures: { readonly workflow: RelayedWorkflow; readonly detail: string }[] = [];
    let started = 0;
    const startOne = async ([organizationId, authorizationId]: readonly [string, string]): Promise<void> => {
      const workflow: RelayedWorkflow = {
        source: 'batches',
        workflowType: 'spendAuthorization',
        workflowId: `authorization:${authorizationId}`,
        attempts: batch.attempts,
      };
      const detail = await tell(workflow, batch.created_at, async () => {
        // As many as go at once have failed and none came through: Temporal is away, the rest need not find out as well.
        const first = failures[0];
        if (first !== undefined && started === 0 && failures.length >= options.share)
          return { kind: 'unavailable', detail: first.detail };
        const { workflowType, workflowId } = workflow;
        return deps.starter.start({ workflowType, workflowId, input: { organizationId, authorizationId } });
      });
      if (detail === null) started += 1;
      else failures.push({ workflow, detail });
    };
    // Each is tried whatever became of the others, and the row is marked only when all have ended.
    const ends = await Promise.allSettled(batch.holds.map(startOne));
    const surprise = ends.find((end) => end.status === 'rejected');
    if (surprise !== undefined) throw surprise.reason;
    const [failure] = failures;
    if (failure === undefined) return finishBatch(deps.knex, batch.id);
    await postponeBatch(deps.knex, batch.id, backoffMs(batch.attempts), failure.detail);
    deps.observe.postponed(failure.workflow, failure.detail);
  };

  const sources: readonly Source[] = [
    {
      rowsMax: options.share,
      claim: async (limit) => (await claimCommands(deps.knex, limit, options.leaseMs)).map(carryCommand),
    },
    {
      rowsMax: options.batchesMax,
      claim: async (limit) => (await claimBatches(deps.knex, limit, options.leaseMs)).map(carryBatch),
    },
  ];

  const workThrough = async (source: Source): Promise<void> => {
    const inFlight = new Set<Promise<void>>();
    let troubles = 0;
    while (!stopping) {
      // Claiming several at once is cheaper than one whenever a row ends.
      while (inFlight.size > (away ? 0 : source.rowsMax / 2)) await Promise.race(inFlight);
      const free = away ? 1 : source.rowsMax - inFlight.size;
      let claimed: readonly Promise<void>[] = [];
      try {
        claimed = await source.claim(free);
        troubles = away ? troubles + 1 : 0;
      } catch (error) {
        troubles += 1;
        deps.observe.failed(error);
      }
      for (const carried of claimed) {
        const task = carried
          // A row that could not be marked is carried out again when its lease ends.
          .catch((error: unknown) => deps.observe.failed(error))
          .then(() => void inFlight.delete(task));
        inFlight.add(task);
      }
      if (stopping) break;
      if (troubles > 0) await pause(Math.min(options.probeMaxMs, options.pollMs * 2 ** Math.min(troubles, 10)));
      else if (claimed.length < free) await pause(options.pollMs);
    }
    await Promise.allSettled(inFlight);
  };

  const running = Promise.all(sources.map(workThrough));
  return {
    async stop() {
      stopping = true;
      wakeAll();
      await running;
    },
  };
}

function callFor(starter: WorkflowStarter, command: ClaimedCommand): Promise<StartOutcome | SignalOutcome> {
  const workflow = {
    workflowType: command.workflow_type,
    workflowId: command.workflow_id,
    input: command.payload,
  };
  return command.signal === null
    ? starter.start(workflow)
    : starter.signalWithStart({ ...workflow, signal: command.signal, messageId: command.id });
}
