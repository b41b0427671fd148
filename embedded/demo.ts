import { rmSync } from 'node:fs';
import path from 'node:path';
import { DemoFailure } from './demo/demo-failure';
import { runJourney } from './demo/journey';
import { prove } from './demo/proofs';
import { type DemoReport, type Proof, renderProof, renderStep, StepRecorder, secondsSince } from './demo/report';
import { describeFailure } from './failure';
import { stopOnSignal } from './interrupt';
import { removePostgresData } from './postgres';
import { describeExit, stopAllProcesses } from './processes';
import { type Stack, startStack } from './stack';
import { temporaryFolder } from './temporary-folder';

/**
 * `npm run demo`: the main job on a stack with state of its own, then the proofs. `--json` writes one object to stdout;
 * progress goes to stderr then. Ends with 1 when a step failed or a proof is false.
 */
async function main(): Promise<void> {
  const json = process.argv.includes('--json');
  const unknown = process.argv.slice(2).filter((argument) => argument !== '--json');
  if (unknown.length > 0) {
    process.stderr.write(`unknown argument ${unknown.join(' ')}; there is only --json\n`);
    process.exit(2);
  }
  const say = (text: string): void => void (json ? process.stderr : process.stdout).write(text);
  const began = performance.now();
  const since = new Date();
  const dataDir = temporaryFolder('escudo-demo-', 'private');
  const recorder = new StepRecorder((step) => say(renderStep(step)));
  let stack: Stack | null = null;
  let interrupted = false;
  const stop = async (): Promise<void> => {
    if (stack === null) await stopAllProcesses();
    else await stack.stop();
  };
  stopOnSignal(async () => {
    interrupted = true;
    say('\nstopping\n');
    await stop();
    clear(dataDir);
  });

  let proofs: readonly Proof[] = [];
  let failure: string | null = null;
  try {
    say('starting PostgreSQL, Temporal, an EVM chain with Aave v3, three vendor simulators, api and worker\n');
    const stackBegan = performance.now();
    let endedBy: (error: Error) => void = () => undefined;
    const partEnded = new Promise<never>((_, reject) => {
      endedBy = reject;
    });
    partEnded.catch(() => undefined);
    const started = await startStack({
      dataDir,
      onUnexpectedExit: (part, exit, lastLogLines) =>
        endedBy(new DemoFailure(`${part} ended by itself (${describeExit(exit)}):\n${lastLogLines}`)),
      onProgress: (message) => say(`  ${`${secondsSince(began).toFixed(1)} s`.padStart(8)}   ${message}\n`),
    });
    stack = started;
    recorder.steps.push({ name: 'stack started', seconds: secondsSince(stackBegan), figures: {} });
    say('\nthe main job\n');
    const whole = async (): Promise<readonly Proof[]> => {
      const journey = await runJourney({
        apiUrl: started.apiUrl,
        operatorKey: started.secrets.operatorKey,
        deployment: started.deployment(),
        recorder,
      });
      say('\nthe proofs\n');
      return prove({ journey, stack: started, since });
    };
    // Nothing is worth waiting for once a part of the stack has died.
    proofs = await Promise.race([whole(), partEnded]);
    for (const proof of proofs) say(renderProof(proof));
  } catch (error) {
    failure = describeFailure(error);
  }
  // What failed because everything was being stopped is no news; the signal's own handler ends the process.
  if (interrupted) return;
  const seconds = secondsSince(began);
  const ok = failure === null && proofs.length > 0 && proofs.every((proof) => proof.ok);
  await stop();
  if (ok) clear(dataDir);
  else say(`\n${failure ?? 'a proof is false'}\nlogs and state are kept in ${dataDir}\n`);
  say(`\n${ok ? 'done' : 'FAILED'} after ${seconds.toFixed(1)} s: ${summary(recorder, proofs)}\n`);
  if (json) {
    const report: DemoReport = { ok, seconds, steps: recorder.steps, proofs, ...(failure === null ? {} : { failure }) };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  }
  process.exitCode = ok ? 0 : 1;
}

function summary(recorder: StepRecorder, proofs: readonly Proof[]): string {
  const held = proofs.filter((proof) => proof.ok).length;
  return `${recorder.steps.length} steps, ${held} of ${proofs.length} proofs true`;
}

function clear(dataDir: string): void {
  removePostgresData(path.join(dataDir, 'postgres'));
  rmSync(dataDir, { recursive: true, force: true });
}

main().catch(async (error: unknown) => {
  await stopAllProcesses();
  process.stderr.write(`${describeFailure(error)}\n`);
  process.exit(1);
});
