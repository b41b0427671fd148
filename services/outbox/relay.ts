import type { Knex } from 'knex';
import type { SignalOutcome, StartOutcome, WorkflowStarter } from '../temporal/port';
import { type ClaimedCommand, claimCommands, finishCommand, postponeCommand } from './outbox.repository';

export interface RelayDeps {
  /** A pool of the worker's role, which sees every organization's commands. */
  readonly knex: Knex;
  readonly starter: WorkflowStarter;
  readonly observe: RelayObserver;
}

export interface RelayObserver {
  /** Temporal has the command. `waitedMs` since it was committed. */
  relayed(command: ClaimedCommand, outcome: 'started' | 'already_started' | 'signalled', waitedMs: number): void;
  /** Temporal could not be told, for now. */
  postponed(command: ClaimedCommand, detail: string): void;
  /** The database could not be asked. */
  failed(error: unknown): void;
}

export interface RelayOptions {
  /** Commands on their way to Temporal at once. */
  readonly concurrency: number;
  /** How often an idle relay asks for commands. */
  readonly pollMs: number;
  /** After this, a claimed command belongs to whoever asks; longer than a call to Temporal may take. */
  readonly leaseMs: number;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
}

/**
 * Polling, not LISTEN/NOTIFY: NOTIFY makes every commit of the cluster queue for one lock, which the authorizer's
 * commits would pay for; asking an index that is nearly empty 25 times a second costs next to nothing.
 */
export const DEFAULT_RELAY_OPTIONS: RelayOptions = {
  concurrency: 16,
  pollMs: 40,
  leaseMs: 30_000,
  retryMinMs: 200,
  retryMaxMs: 15_000,
};

export interface RunningRelay {
  /** Takes no further command and waits for those on their way. */
  stop(): Promise<void>;
}

/**
 * Carries committed commands to Temporal, at least once. Nothing is lost: a command counts as done only after Temporal
 * has it. Nothing is doubled: a start is rejected when its workflow id was used before, a signal carries the command's id.
 * Any number of relays may run at once.
 */
export function startRelay(deps: RelayDeps, options: RelayOptions = DEFAULT_RELAY_OPTIONS): RunningRelay {
  const inFlight = new Set<Promise<void>>();
  let stopping = false;
  let wake: (() => void) | null = null;

  const pause = (waitMs: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const carry = async (command: ClaimedCommand): Promise<void> => {
    try {
      await carryOut(deps, options, command);
    } catch (error) {
      // The command is not marked: its lease ends and it is carried out again.
      deps.observe.failed(error);
    }
  };

  const run = async (): Promise<void> => {
    let failures = 0;
    while (!stopping) {
      // Claiming many at once is cheaper than one whenever a slot falls free.
      while (inFlight.size > options.concurrency / 2) await Promise.race(inFlight);
      const free = options.concurrency - inFlight.size;
      let claimed: readonly ClaimedCommand[] = [];
      try {
        claimed = await claimCommands(deps.knex, free, options.leaseMs);
        failures = 0;
      } catch (error) {
        failures += 1;
        deps.observe.failed(error);
      }
      for (const command of claimed) {
        const task = carry(command).finally(() => inFlight.delete(task));
        inFlight.add(task);
      }
      if (claimed.length < free && !stopping) await pause(options.pollMs * 2 ** Math.min(failures, 6));
    }
    await Promise.allSettled(inFlight);
  };

  const running = run();
  return {
    async stop() {
      stopping = true;
      wake?.();
      await running;
    },
  };
}

async function carryOut(deps: RelayDeps, options: RelayOptions, command: ClaimedCommand): Promise<void> {
  const outcome = await tell(deps.starter, command);
  if (outcome.kind === 'unavailable') {
    const wait = Math.min(options.retryMaxMs, options.retryMinMs * 2 ** Math.min(command.attempts - 1, 20));
    await postponeCommand(deps.knex, command.organization_id, command.id, wait, outcome.detail);
    deps.observe.postponed(command, outcome.detail);
    return;
  }
  await finishCommand(deps.knex, command.organization_id, command.id);
  deps.observe.relayed(command, outcome.kind, Date.now() - command.created_at.getTime());
}

function tell(starter: WorkflowStarter, command: ClaimedCommand): Promise<StartOutcome | SignalOutcome> {
  const workflow = {
    workflowType: command.workflow_type,
    workflowId: command.workflow_id,
    input: command.payload,
  };
  return command.signal === null
    ? starter.start(workflow)
    : starter.signalWithStart({ ...workflow, signal: command.signal, messageId: command.id });
}
