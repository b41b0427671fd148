/** Every workflow type, as registered in workflows/index.ts. */
export const WORKFLOW_TYPES = [
  'kycOnboarding',
  'cardIssuance',
  'spendAuthorization',
  'fundSale',
  'drawLoan',
  'creditDeposit',
  'moveCollateral',
  'repayLoan',
  'settleNetwork',
  'backtestControls',
] as const;

export type WorkflowType = (typeof WORKFLOW_TYPES)[number];

/** A workflow's input: ids only, so that everything else is read from rows when it is needed. */
export type WorkflowInput = Readonly<Record<string, string>>;

export interface WorkflowToStart {
  readonly workflowType: WorkflowType;
  /** Deterministic business key. */
  readonly workflowId: string;
  readonly input: WorkflowInput;
}

export interface WorkflowToSignal extends WorkflowToStart {
  readonly signal: string;
  /** Identity of the message: the workflow ignores one it has seen. */
  readonly messageId: string;
}

export type StartOutcome =
  | { readonly kind: 'started' }
  /** The workflow runs, or has ended: a start never runs it a second time. */
  | { readonly kind: 'already_started' }
  /** Temporal could not be asked, or did not answer: nothing is known, try again. */
  | { readonly kind: 'unavailable'; readonly detail: string };

export type SignalOutcome = { readonly kind: 'signalled' } | { readonly kind: 'unavailable'; readonly detail: string };

export interface WorkflowToAsk extends WorkflowToStart {
  /** Name of the update. */
  readonly update: string;
  /** JSON values. */
  readonly argument: unknown;
}

export type AskOutcome =
  | { readonly kind: 'answered'; readonly answer: unknown }
  /** No answer in time, or none at all: the workflow may run nevertheless. */
  | { readonly kind: 'timeout' | 'unavailable'; readonly detail: string };

/** How somebody who waits has a workflow decide. Never rejects. */
export interface WorkflowAsker {
  /** Starts the workflow with the question as its first, and waits for its answer, at most `timeoutMs`. */
  ask(workflow: WorkflowToAsk, timeoutMs: number): Promise<AskOutcome>;
}

/** How use cases and the relay reach Temporal. Expected outcomes are returned, never thrown. */
export interface WorkflowStarter {
  start(workflow: WorkflowToStart): Promise<StartOutcome>;
  /** Signals the running workflow, or starts it (again, if it has ended) with the signal as its first. */
  signalWithStart(workflow: WorkflowToSignal): Promise<SignalOutcome>;
  /** Whether Temporal answers now. */
  check(): Promise<boolean>;
}
