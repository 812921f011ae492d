import type { ConfigPatch } from '#mesh/config/envoy-filter.ts'

/** What one patch does to a list of filters or routes. */
export interface ListPatch<Item> {
  readonly operation: ConfigPatch['patch']['operation']
  /** Makes what is put in. */
  readonly make: () => Item
  /** Tells the items that its match selects; undefined = it selects none in particular. */
  readonly selects: ((item: Item) => boolean) | undefined
}

/** The list after the patch: EnvoyFilter.Patch.Operation. Without a selection, "before" is the beginning and "after" the end. */
export const patchList = <Item>(items: readonly Item[], { operation, make, selects }: ListPatch<Item>): Item[] => {
  const place = selects ? items.findIndex(selects) : -1
  const isMissing = selects !== undefined && place === -1
  switch (operation) {
    case 'ADD':
      return [...items, make()]
    case 'INSERT_FIRST':
      return [make(), ...items]
    case 'INSERT_BEFORE':
      return isMissing ? [...items] : items.toSpliced(selects ? place : 0, 0, make())
    case 'INSERT_AFTER':
      return isMissing ? [...items] : items.toSpliced(selects ? place + 1 : items.length, 0, make())
    case 'REPLACE':
      return place === -1 ? [...items] : items.with(place, make())
    case 'REMOVE':
      return selects ? items.filter((item) => !selects(item)) : [...items]
    case 'MERGE':
    case 'MERGE_AND_REPLACE_LIST':
      return [...items]
  }
}

export const isMerge = (operation: ListPatch<unknown>['operation']): boolean =>
  operation === 'MERGE' || operation === 'MERGE_AND_REPLACE_LIST'

export const toMergeOptions = (operation: ListPatch<unknown>['operation']): { readonly replacesLists: boolean } => ({
  replacesLists: operation === 'MERGE_AND_REPLACE_LIST',
})

/** Where there is no order, all ways of insertion are additions. */
export const isAdded = (operation: ListPatch<unknown>['operation']): boolean =>
  operation === 'ADD' || operation.startsWith('INSERT_')
