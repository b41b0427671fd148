import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { startTemporalWorld } from '../builders/temporal-world';
import { temporalServer } from '../setup/temporal';
import { startTestServers, stopTestServers } from '../setup/test-servers';
import { playScenario, SCENARIOS } from './scenarios';

/**
 * Records the histories that `test/workflows/replay.test.ts` replays: `npx tsx test/histories/record.ts [name …]`. Only a
 * workflow that was changed on purpose is recorded again, and only when no run of the older one can be under way any more.
 */
async function record(names: readonly string[]): Promise<void> {
  await startTestServers('temporal');
  try {
    for (const [name, scenario] of Object.entries(SCENARIOS)) {
      if (names.length > 0 && !names.includes(name)) continue;
      const { activities, calls } = scenario.script();
      const world = await startTemporalWorld(temporalServer(), activities);
      const history = await playScenario(scenario, world, calls);
      await world.stop();
      const text = JSON.stringify(JSON.parse(historyToJSON(history)), nameless, 1);
      writeFileSync(path.join(__dirname, `${name}.json`), `${text}\n`);
      process.stdout.write(`${name}: ${history.events?.length ?? 0} events\n`);
    }
  } finally {
    await stopTestServers();
  }
}

/** Who ran it says nothing about the run. */
function nameless(key: string, value: unknown): unknown {
  return key === 'identity' && typeof value === 'string' ? 'recorder' : value;
}

record(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
