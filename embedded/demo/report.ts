/** Figures of a step, as the API gave them back. */
export type Figures = Readonly<Record<string, string>>;

export interface Step {
  readonly name: string;
  readonly seconds: number;
  readonly figures: Figures;
}

export interface Proof {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly found: string;
  readonly detail?: readonly string[];
}

/** What the demo writes to stdout with `--json`. */
export interface DemoReport {
  readonly ok: boolean;
  /** From the start of the stack to the last proof. */
  readonly seconds: number;
  readonly steps: readonly Step[];
  readonly proofs: readonly Proof[];
  /** Why it ended early, if it did. */
  readonly failure?: string;
}

/** Runs the steps one after the other, timed, each shown when it is done. */
export class StepRecorder {
  readonly steps: Step[] = [];

  constructor(private readonly show: (step: Step) => void) {}

  async run<T>(name: string, work: (note: (figures: Figures) => void) => Promise<T>): Promise<T> {
    const began = performance.now();
    let figures: Figures = {};
    try {
      const result = await work((more) => {
        figures = { ...figures, ...more };
      });
      this.record(name, began, figures);
      return result;
    } catch (error) {
      this.record(`${name} (failed)`, began, figures);
      throw error;
    }
  }

  private record(name: string, began: number, figures: Figures): void {
    const step = { name, seconds: secondsSince(began), figures };
    this.steps.push(step);
    this.show(step);
  }
}

/** With three decimals. */
export function secondsSince(began: number): number {
  return Math.round(performance.now() - began) / 1_000;
}

export function renderStep(step: Step): string {
  const figures = Object.entries(step.figures).map(([name, value]) => `\n             ${name}: ${value}`);
  return `  ${`${step.seconds.toFixed(1)} s`.padStart(8)}   ${step.name}${figures.join('')}\n`;
}

export function renderProof(proof: Proof): string {
  const values = proof.expected === proof.found ? proof.found : `expected ${proof.expected}, found ${proof.found}`;
  const detail = (proof.detail ?? []).map((line) => `\n             ${line}`);
  return `  ${proof.ok ? 'true ' : 'FALSE'}   ${proof.name}: ${values}${detail.join('')}\n`;
}
