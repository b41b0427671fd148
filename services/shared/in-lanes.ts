/**
 * Does `work` for every item, the first ones first, `lanes` of them at once at the most: whoever is through with one takes the next.
 * Rejects with the first failure. What failed ends its lane, and the other lanes go on with what is left; work that must not fail the
 * whole catches its own failures.
 */
export async function inLanes<Item>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  const lane = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
}
