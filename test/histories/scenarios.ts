import type { WorkflowType } from '../../services/temporal/port';
import { createWorkflowAsker } from '../../services/temporal/workflow-asker';
import { eventually, scripted, type TemporalWorld, uniqueId } from '../builders/temporal-world';

/** One run of a workflow that is worth keeping: its activities answer by script, its messages come in the order told. */
export interface Scenario {
  readonly workflowType: WorkflowType;
  /** Begins the id of the workflow. */
  readonly idPrefix: string;
  readonly input: Readonly<Record<string, string>>;
  /** Made anew for each run. `calls` counts all activities. */
  script(): {
    readonly activities: Readonly<Record<string, (input: unknown) => Promise<unknown>>>;
    readonly calls: () => number;
  };
  /** Asked with its start, by Update-with-Start. */
  readonly question?: { readonly update: string; readonly argument: unknown };
  /** What happens to it after its start; without, it only runs. */
  play?(run: ScenarioRun): Promise<void>;
}

export interface ScenarioRun {
  readonly calls: () => number;
  signal(name: string): Promise<void>;
}

const organizationId = '01980000-0000-7000-8000-000000000001';
const id = '01980000-0000-7000-8000-000000000002';

function oneActivity(name: string, ...results: readonly [unknown, ...unknown[]]): Scenario['script'] {
  return () => {
    const { activity, calls } = scripted(...results);
    return { activities: { [name]: activity }, calls };
  };
}

const HOUR_MS = 3_600_000;

/** A workflow that steps, waits for a timer, is signalled, and ends. */
function stepping(
  workflowType: WorkflowType,
  idPrefix: string,
  key: string,
  activity: string,
  signal: string,
): Scenario {
  return {
    workflowType,
    idPrefix,
    input: { organizationId, [key]: id },
    script: oneActivity(
      activity,
      { done: false, state: 'requested', reason: 'the next block', waitMs: 50 },
      { done: false, state: 'submitted', reason: 'a message', waitMs: HOUR_MS },
      { done: true, state: 'finished' },
    ),
    async play(run) {
      await eventually('it waits for a message', () => run.calls() === 2);
      await run.signal(signal);
    },
  };
}

/** By file name in this folder. Every workflow type has at least one; `replay.test.ts` sees to that. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'spend-authorization-cleared': {
    workflowType: 'spendAuthorization',
    idPrefix: 'authorization:',
    input: { organizationId, authorizationId: id },
    script() {
      const { activity, calls } = scripted(
        { state: 'pending', postingsToFund: [], done: false, waitMs: HOUR_MS },
        {
          state: 'cleared',
          postingsToFund: [{ postingId: 'a', workflowType: 'fundSale', workflowId: `sale:${uniqueId()}` }],
          done: false,
          waitMs: HOUR_MS,
        },
        { state: 'cleared', postingsToFund: [], done: true, waitMs: HOUR_MS },
      );
      const finished = async () => ({ done: true, state: 'paid_out' });
      return { activities: { followAuthorization: activity, advanceSale: finished }, calls };
    },
    async play(run) {
      await eventually('the hold is followed', () => run.calls() === 1);
      await run.signal('cardEvent');
    },
  },
  'spend-authorization-expired': {
    workflowType: 'spendAuthorization',
    idPrefix: 'authorization:',
    input: { organizationId, authorizationId: id },
    script: oneActivity(
      'followAuthorization',
      { state: 'pending', postingsToFund: [], done: false, waitMs: 100 },
      { state: 'expired', postingsToFund: [], done: true, waitMs: HOUR_MS },
    ),
  },
  'spend-authorization-asked-and-cleared': {
    workflowType: 'spendAuthorization',
    idPrefix: 'authorization:',
    input: { organizationId, authorizationId: id, asked: 'clearing' },
    question: { update: 'decide', argument: { amount: { $bigint: '500' } } },
    script() {
      const { activity, calls } = scripted(
        { reply: { outcome: 'approved' }, next: 'follow' },
        { state: 'cleared', postingsToFund: [], done: true, waitMs: HOUR_MS },
      );
      return { activities: { decideAuthorization: activity, followAuthorization: activity }, calls };
    },
    async play(run) {
      await eventually('it has answered', () => run.calls() === 1);
      await run.signal('cardEvent');
    },
  },
  'spend-authorization-asked-and-declined': {
    workflowType: 'spendAuthorization',
    idPrefix: 'authorization:',
    input: { organizationId, authorizationId: id, asked: 'clearing' },
    question: { update: 'decide', argument: { amount: { $bigint: '500' } } },
    script: oneActivity('decideAuthorization', { reply: { outcome: 'declined' }, next: 'end' }),
  },
  'kyc-onboarding-resubmitted': {
    workflowType: 'kycOnboarding',
    idPrefix: 'kyc:',
    input: { organizationId, cardholderId: id },
    script: oneActivity(
      'advanceKyc',
      { done: false, waitMs: HOUR_MS },
      { done: false, waitMs: null },
      { done: false, waitMs: 50 },
      { done: true, waitMs: null },
    ),
    async play(run) {
      await eventually('the check is requested', () => run.calls() === 1);
      await run.signal('kycHint');
      await eventually('documents are missing', () => run.calls() === 2);
      await run.signal('documentsSubmitted');
    },
  },
  'card-issuance-retried': {
    workflowType: 'cardIssuance',
    idPrefix: 'card-issuance:',
    input: { organizationId, cardId: id },
    script: oneActivity('advanceCard', { done: false, waitMs: 50 }, { done: true, waitMs: 0 }),
  },
  'fund-sale': stepping('fundSale', 'sale:', 'postingId', 'advanceSale', 'offRampHint'),
  'draw-loan': stepping('drawLoan', 'draw:', 'postingId', 'advanceDraw', 'offRampHint'),
  'credit-deposit': stepping('creditDeposit', 'deposit:', 'depositId', 'advanceDeposit', 'depositSeen'),
  'move-collateral': stepping('moveCollateral', 'collateral:', 'operationId', 'advanceCollateral', 'collateralChanged'),
  'repay-loan': stepping('repayLoan', 'repayment:', 'repaymentId', 'advanceRepayment', 'repaymentChanged'),
  'backtest-controls': stepping('backtestControls', 'backtest:', 'backtestId', 'advanceBacktest', 'backtestChanged'),
  'settle-network': stepping('settleNetwork', 'settlement:', 'settlementId', 'advanceSettlement', 'settlementChanged'),
};

/** Runs a scenario in `world`, whose worker must have the scenario's activities, and returns its history. */
export async function playScenario(
  scenario: Scenario,
  world: Pick<TemporalWorld, 'starter' | 'temporal'>,
  calls: () => number,
) {
  const workflow = {
    workflowType: scenario.workflowType,
    workflowId: `${scenario.idPrefix}${uniqueId()}`,
    input: scenario.input,
  };
  if (scenario.question === undefined) await world.starter.start(workflow);
  else await createWorkflowAsker(world.temporal).ask({ ...workflow, ...scenario.question }, 20_000);
  let messages = 0;
  await scenario.play?.({
    calls,
    signal: async (signal) => {
      messages += 1;
      await world.starter.signalWithStart({ ...workflow, signal, messageId: `message-${messages}` });
    },
  });
  const handle = world.temporal.client.workflow.getHandle(workflow.workflowId);
  await handle.result();
  return handle.fetchHistory();
}
