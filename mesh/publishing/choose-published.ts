/** A cluster's object of some key that asks to be the mesh's. */
export interface Contender {
  readonly cluster: string
  /** When it first asked; milliseconds since the epoch. */
  readonly since: number
  readonly isGranted: boolean
  /** Whether the object is right by itself. */
  readonly isValid: boolean
}

/** Whose the mesh's object of a key is now: applied at the API, a cluster's, or nobody's (there is none). */
export type Holder = { readonly by: 'mesh' } | { readonly by: 'cluster'; readonly cluster: string } | undefined

export type Standing = 'chosen' | 'not_granted' | 'refused' | 'shadowed' | 'conflict'

export interface Choice<Each extends Contender> {
  /** Whose object the mesh has, or is to have. */
  readonly chosen: Each | undefined
  readonly standings: ReadonlyMap<Each, Standing>
}

/**
 * Which of the clusters' objects of one key is the mesh's. What was applied at the API stands before all. Who holds the key keeps it for
 * as long as it asks and may; then the one who has asked for longest takes over. An object that has become wrong leaves in the
 * mesh what it said while it was right, so its cluster keeps the key.
 */
export const choosePublished = <Each extends Contender>(contenders: readonly Each[], holder: Holder): Choice<Each> => {
  const holds = ({ cluster }: Each): boolean => holder?.by === 'cluster' && holder.cluster === cluster
  const inTurn = contenders
    .filter((each) => each.isGranted && (each.isValid || holds(each)))
    .toSorted(
      (one, other) =>
        Number(holds(other)) - Number(holds(one)) || one.since - other.since || (one.cluster < other.cluster ? -1 : 1),
    )
  const chosen = holder?.by === 'mesh' ? undefined : inTurn[0]
  const toStanding = (each: Each): Standing => {
    if (!each.isGranted) return 'not_granted'
    if (!each.isValid) return 'refused'
    if (each === chosen) return 'chosen'
    return chosen ? 'conflict' : 'shadowed'
  }
  return { chosen, standings: new Map(contenders.map((each) => [each, toStanding(each)])) }
}
