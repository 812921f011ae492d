import type { Paint } from './colour.ts'
import { toTable } from './table.ts'
import type { View } from './view.ts'

/** How a list of things looks. */
export interface ListShape<Item> {
  readonly headings: readonly string[]
  readonly row: (item: Item, paint: Paint) => readonly string[]
  readonly name: (item: Item) => string
  /** What to say when there are none. */
  readonly empty: string
}

export const toListView = <Item>(items: readonly Item[], shape: ListShape<Item>): View => ({
  value: { items },
  names: items.map((item) => shape.name(item)),
  table: (paint) =>
    items.length === 0
      ? shape.empty
      : toTable(
          shape.headings,
          items.map((item) => shape.row(item, paint)),
        ),
})

/** The first items of a list, all of them without a limit. */
export const collect = async <Item>(list: AsyncIterable<Item>, limit = Number.POSITIVE_INFINITY): Promise<Item[]> => {
  const items: Item[] = []
  for await (const item of list) {
    if (items.length >= limit) break
    items.push(item)
  }
  return items
}
