import { parseObjectKey, type ObjectKey } from '../config-object.ts'
import { compareText } from './compare-text.ts'
import { getOrAdd } from './get-or-add.ts'

/**
 * As many of what objects name as there is room for: one of each namespace in turn, by name. So who names very many keeps nobody out of another
 * namespace, and has others' asked for no later.
 */
export const takeTurns = <Named extends { readonly objects: readonly ObjectKey[] }>(
  all: readonly Named[],
  { room, nameOf }: { readonly room: number; readonly nameOf: (named: Named) => string },
): readonly Named[] => {
  /** The next one is the last. */
  const left = new Map<string, Named[]>()
  for (const named of all.toSorted((one, other) => compareText(nameOf(other), nameOf(one))))
    for (const namespace of new Set(named.objects.map((object) => parseObjectKey(object)?.namespace ?? '')))
      getOrAdd(left, namespace, (): Named[] => []).push(named)
  const selected = new Set<Named>()
  let turns = [...left].toSorted(([one], [other]) => compareText(one, other)).map(([, own]) => own)
  while (turns.length > 0 && selected.size < room) {
    for (const own of turns) {
      const next = takeOther(own, selected)
      if (next && selected.size < room) selected.add(next)
    }
    turns = turns.filter((own) => own.length > 0)
  }
  return [...selected]
}

const takeOther = <Named>(own: Named[], taken: ReadonlySet<Named>): Named | undefined => {
  let next = own.pop()
  while (next && taken.has(next)) next = own.pop()
  return next
}
