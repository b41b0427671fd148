import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Worker } from '@temporalio/worker';
import { createDataConverter } from '../../services/temporal/data-converter';
import { WORKFLOW_TYPES } from '../../services/temporal/port';
import { TEST_CODEC_KEY, workflowBundle } from '../builders/temporal-world';
import { SCENARIOS } from '../histories/scenarios';

const folder = path.join(__dirname, '..', 'histories');
const files = readdirSync(folder).filter((file) => file.endsWith('.json'));
const read = (file: string): unknown => JSON.parse(readFileSync(path.join(folder, file), 'utf8'));

async function replay(history: unknown): Promise<void> {
  await Worker.runReplayHistory(
    { workflowBundle: await workflowBundle(), dataConverter: createDataConverter(TEST_CODEC_KEY) },
    history,
  );
}

describe('replay of saved histories', () => {
  it.each(files)('%s still fits the code', async (file) => {
    await replay(read(file));
  });

  it('keeps a history of every workflow type', () => {
    const recorded = new Set(files.map((file) => SCENARIOS[file.replace(/\.json$/, '')]?.workflowType));
    expect(WORKFLOW_TYPES.filter((type) => !recorded.has(type))).toEqual([]);
    expect(files.map((file) => file.replace(/\.json$/, '')).sort()).toEqual(Object.keys(SCENARIOS).sort());
  });

  it('would notice a workflow that does something else', async () => {
    const text = readFileSync(path.join(folder, 'card-issuance-retried.json'), 'utf8');
    const other: unknown = JSON.parse(text.replaceAll('"name": "advanceCard"', '"name": "advanceTheCard"'));
    await expect(replay(other)).rejects.toThrow(/nondetermin/i);
  });
});
