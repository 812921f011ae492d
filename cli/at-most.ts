/** Does something with each item, so many at a time; the results are in the items' order. */
export const mapAtMost = async <Item, Result>(
  most: number,
  items: readonly Item[],
  run: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> => {
  const results: Result[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index]
      // Items may be undefined themselves: their place says that there is one.
      results[index] = await run(item as Item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, work))
  return results
}
