import { parseArgs } from 'node:util';
import { type ReplayedDecision, replayDecisions } from './authorizations/replay-decisions';
import { parseReplaySelection, type ReplaySelection } from './authorizations/rules/replay-selection';
import { loadReaderConfig } from './config/load-config';
import { createKnex } from './database/knex';
import { formatId } from './shared/ids';

const USAGE = `Takes stored decisions again from their receipts and compares them to the unit.

  npm run replay -- <authorization id | from..to> [--organization <id>] [--json]

  from and to are days or instants of ISO 8601 (UTC): 2026-11-01..2026-11-30, 2026-11-21T08:00:00Z.. or just ..
  --json writes one object a line, the summary last.

Ends with 0 when every decision came out the same and every seal fits, 1 when not, 2 when there is nothing to replay.
`;

/** A decision that came out otherwise, is not what was sealed, or names rules that are not here. */
function failed(decision: ReplayedDecision): boolean {
  return decision.answer === 'different' || decision.answer === 'unknown_rules' || decision.seal === 'broken';
}

function describe(decision: ReplayedDecision): string {
  const { amendmentId } = decision;
  const id = `${formatId('authorization', decision.authorizationId)}${amendmentId === null ? '' : ` ${formatId('amendment', amendmentId)}`}`;
  const lines = [`${id}  ${decision.answer}, ${decision.seal}`];
  if (decision.detail !== null) lines.push(`    ${decision.detail}`);
  for (const { field, stored, again } of decision.differences)
    lines.push(`    ${field}: stored ${stored ?? 'nothing'}, again ${again ?? 'nothing'}`);
  for (const problem of decision.problems) lines.push(`    seal: ${problem.replaceAll('_', ' ')}`);
  return `${lines.join('\n')}\n`;
}

interface ReplayOutput {
  write(text: string): void;
}

/** Replays what the arguments name and returns the exit code. One that fails is written at once; the summary comes last. */
export async function replayFromArguments(
  args: readonly string[],
  databaseUrl: string,
  output: ReplayOutput,
): Promise<number> {
  const parsed = readArguments(args);
  if (typeof parsed === 'string') {
    output.write(`${parsed}\n\n${USAGE}`);
    return 2;
  }
  const { selection, json } = parsed;
  const db = createKnex(databaseUrl, 1, 'escudo-replay');
  const counts = { replayed: 0, same: 0, different: 0, unknown_rules: 0, not_replayed: 0, unsealed: 0, broken: 0 };
  const began = performance.now();
  let failures = 0;
  try {
    for await (const decision of replayDecisions(db, selection)) {
      counts.replayed += 1;
      counts[decision.answer] += 1;
      if (decision.seal !== 'verified') counts[decision.seal] += 1;
      if (failed(decision)) failures += 1;
      if (json) output.write(`${JSON.stringify(decision)}\n`);
      else if (failed(decision) || selection.kind === 'one') output.write(describe(decision));
    }
  } finally {
    await db.destroy();
  }
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  output.write(json ? `${JSON.stringify({ summary: counts, seconds: Number(seconds) })}\n` : summary(counts, seconds));
  if (counts.replayed === 0) return 2;
  return failures === 0 ? 0 : 1;
}

function summary(counts: Readonly<Record<string, number>>, seconds: string): string {
  const { replayed, ...rest } = counts;
  const parts = Object.entries(rest)
    .filter(([name, count]) => count > 0 || name === 'same' || name === 'different')
    .map(([name, count]) => `${count} ${name.replaceAll('_', ' ')}`);
  return `${replayed} decision${replayed === 1 ? '' : 's'} taken again in ${seconds} s: ${parts.join(', ')}\n`;
}

function readArguments(
  args: readonly string[],
): { readonly selection: ReplaySelection; readonly json: boolean } | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, organization: { type: 'string' } },
    });
    const [text, ...more] = positionals;
    if (text === undefined || more.length > 0) return 'name one authorization, or one range';
    const selection = parseReplaySelection(text, values.organization ?? null, new Date());
    return selection.ok ? { selection: selection.value, json: values.json } : selection.error;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

if (require.main === module) {
  replayFromArguments(process.argv.slice(2), loadReaderConfig().databaseUrl, process.stdout).then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    },
  );
}
