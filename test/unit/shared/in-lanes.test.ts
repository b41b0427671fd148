import { inLanes } from '../../../services/shared/in-lanes';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('every item is worked on once, in order, and so many at once as there are lanes', async () => {
  const begun: number[] = [];
  let [atOnce, most] = [0, 0];
  await inLanes([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    begun.push(item);
    atOnce += 1;
    most = Math.max(most, atOnce);
    await turn();
    atOnce -= 1;
  });
  expect({ begun, most, atOnce }).toEqual({ begun: [1, 2, 3, 4, 5, 6, 7], most: 3, atOnce: 0 });
});

test('a slow item keeps its own lane only', async () => {
  const ended: string[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const all = inLanes(['slow', 'a', 'b', 'c'], 2, async (item) => {
    if (item === 'slow') await held;
    ended.push(item);
    if (item === 'c') release();
  });
  await all;
  expect(ended).toEqual(['a', 'b', 'c', 'slow']);
});

test('values that are nothing are items too, and no items are no work', async () => {
  const seen: unknown[] = [];
  const see = async (item: unknown) => void seen.push(item);
  await inLanes([], 8, see);
  expect(seen).toEqual([]);
  await inLanes([undefined, null, 0], 8, see);
  expect(seen).toEqual([undefined, null, 0]);
});

test('what fails is seen, and does not keep the other lanes from what is left', async () => {
  const done: number[] = [];
  const all = inLanes([1, 2, 3, 4], 2, async (item) => {
    await turn();
    if (item === 1) throw new Error('one');
    done.push(item);
  });
  await expect(all).rejects.toThrow('one');
  while (done.length < 3) await turn();
  expect(done).toEqual([2, 3, 4]);
});
