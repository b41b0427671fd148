import { BatchQueue, type BatchQueueLimits } from '../../../services/authorizations/batch-queue';

interface Item {
  readonly lane: string;
  readonly id: number;
}

/** A queue whose batches end when the test says so. */
function controlledQueue(given: Omit<BatchQueueLimits, 'besideFrom'> & { readonly besideFrom?: number }) {
  const limits = { besideFrom: 0, ...given };
  const running: { items: readonly Item[]; end: (again?: readonly Item[]) => void }[] = [];
  const queue = new BatchQueue<Item>(
    limits,
    (items) => new Promise((resolve) => running.push({ items, end: (again = []) => resolve(again) })),
    (item) => item.lane,
  );
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return { queue, running, turn };
}

const item = (id: number, lane = `lane-${id}`): Item => ({ id, lane });

test('an idle queue runs an item at once, without a timer', () => {
  const { queue, running } = controlledQueue({ inFlightMax: 2, batchMax: 64, waitingMax: 10 });
  queue.push(item(1));
  expect(running.map((batch) => batch.items.map((each) => each.id))).toEqual([[1]]);
});

test('what comes while a batch runs goes out as one second batch, and no third starts', async () => {
  const { queue, running, turn } = controlledQueue({ inFlightMax: 2, batchMax: 64, waitingMax: 10 });
  for (const id of [1, 2, 3, 4]) queue.push(item(id));
  await turn();
  queue.push(item(5));
  await turn();
  expect(running.map((batch) => batch.items.map((each) => each.id))).toEqual([[1], [2, 3]]);
  running[0]?.end();
  await turn();
  await turn();
  expect(running[2]?.items.map((each) => each.id)).toEqual([4, 5]);
});

describe('few pending items', () => {
  const LIMITS = { inFlightMax: 2, besideFrom: 4, batchMax: 64, waitingMax: 10 };
  const idsOf = (running: readonly { items: readonly Item[] }[]) =>
    running.map((batch) => batch.items.map((each) => each.id));

  test('go together when the running batch has ended', async () => {
    const { queue, running, turn } = controlledQueue(LIMITS);
    for (const id of [1, 2, 3]) queue.push(item(id));
    await turn();
    expect(idsOf(running)).toEqual([[1]]);
    running[0]?.end();
    await turn();
    await turn();
    expect(idsOf(running)).toEqual([[1], [2, 3]]);
  });

  test('run beside it from the number on that a batch is worth', async () => {
    const { queue, running, turn } = controlledQueue(LIMITS);
    for (const id of [1, 2, 3, 4]) queue.push(item(id));
    await turn();
    expect(idsOf(running)).toEqual([[1], [2, 3]]);
  });

  test('do not wait behind a batch that hangs', async () => {
    const { queue, running, turn } = controlledQueue(LIMITS);
    for (const id of [1, 2, 3]) queue.push(item(id));
    while (running.length < 2) await turn();
    expect(idsOf(running)).toEqual([[1], [2, 3]]);
    queue.push(item(4));
    running[1]?.end();
    while (running.length < 3) await turn();
    expect(idsOf(running)).toEqual([[1], [2, 3], [4]]);
  });
});

test('one lane has one item in flight', async () => {
  const { queue, running, turn } = controlledQueue({ inFlightMax: 2, batchMax: 64, waitingMax: 10 });
  queue.push(item(1, 'same'));
  queue.push(item(2, 'same'));
  await turn();
  expect(running).toHaveLength(1);
  running[0]?.end();
  await turn();
  await turn();
  expect(running.map((batch) => batch.items.map((each) => each.id))).toEqual([[1], [2]]);
});

test('items to be run again go before those that wait', async () => {
  const { queue, running, turn } = controlledQueue({ inFlightMax: 1, batchMax: 1, waitingMax: 10 });
  queue.push(item(1));
  queue.push(item(2));
  running[0]?.end([item(1)]);
  await turn();
  await turn();
  expect(running[1]?.items.map((each) => each.id)).toEqual([1]);
});

test('a full queue refuses, and takes again when there is room', async () => {
  const { queue, running, turn } = controlledQueue({ inFlightMax: 1, batchMax: 64, waitingMax: 2 });
  expect([1, 2, 3].map((id) => queue.push(item(id)))).toEqual([true, true, true]);
  expect(queue.push(item(4))).toBe(false);
  running[0]?.end();
  await turn();
  await turn();
  expect(queue.push(item(5))).toBe(true);
});

test('a batch is never larger than its limit', async () => {
  const { queue, running, turn } = controlledQueue({ inFlightMax: 1, batchMax: 3, waitingMax: 100 });
  for (let id = 0; id < 10; id += 1) queue.push(item(id));
  running[0]?.end();
  await turn();
  await turn();
  expect(running[1]?.items).toHaveLength(3);
});
