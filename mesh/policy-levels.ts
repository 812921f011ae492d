interface Rule<Level> {
  readonly trafficPolicy?: Policy<Level> | undefined
  readonly subsets?: readonly { readonly trafficPolicy?: Policy<Level> | undefined }[] | undefined
}

type Policy<Level> = Level & { readonly portLevelSettings?: readonly Level[] | undefined }

interface PlacedLevel<Level> {
  readonly level: Level
  /** In the object. */
  readonly path: readonly PropertyKey[]
}

/**
 * All that a DestinationRule says of traffic and that may become effective for some port, and where: for its host and its subsets, and for
 * ports of them.
 */
export const toPlacedLevels = <Level>({ trafficPolicy, subsets = [] }: Rule<Level>): PlacedLevel<Level>[] => [
  ...toLevels(trafficPolicy, ['spec', 'trafficPolicy']),
  ...subsets.flatMap((subset, index) => toLevels(subset.trafficPolicy, ['spec', 'subsets', index, 'trafficPolicy'])),
]

/** The same without the places. */
export const toPolicyLevels = <Level>(rule: Rule<Level>): Level[] => toPlacedLevels(rule).map(({ level }) => level)

const toLevels = <Level>(policy: Policy<Level> | undefined, path: readonly PropertyKey[]): PlacedLevel<Level>[] =>
  policy
    ? [
        { level: policy, path },
        ...(policy.portLevelSettings ?? []).map((level, index) => ({
          level,
          path: [...path, 'portLevelSettings', index],
        })),
      ]
    : []
