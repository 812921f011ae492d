interface Rule<Level> {
  readonly trafficPolicy?: Policy<Level> | undefined
  readonly subsets?: readonly { readonly trafficPolicy?: Policy<Level> | undefined }[] | undefined
}

type Policy<Level> = Level & { readonly portLevelSettings?: readonly Level[] | undefined }

/** All that a DestinationRule says of traffic and that may become effective for some port: for its host and its subsets, and for ports of them. */
export const toPolicyLevels = <Level>({ trafficPolicy, subsets = [] }: Rule<Level>): Level[] =>
  [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy)].flatMap((policy) =>
    policy ? [policy, ...(policy.portLevelSettings ?? [])] : [],
  )
