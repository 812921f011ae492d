/**
 * Whether an object of `own` namespace holds for clients in `namespace` (exportTo of VirtualService and DestinationRule): names, "."
 * for its own, "*" for all; absent = what the mesh has by default, which is for all.
 */
export const isExportedTo = (
  exportTo: readonly string[] | undefined,
  own: string,
  namespace: string,
  byDefault: readonly string[] | undefined,
): boolean =>
  toEntries(exportTo, byDefault).some((entry) => entry === '*' || (entry === '.' ? own : entry) === namespace)

/** The namespaces that such an object holds for; "*" = all. */
export const toAudience = (
  exportTo: readonly string[] | undefined,
  own: string,
  byDefault: readonly string[] | undefined,
): readonly string[] => toEntries(exportTo, byDefault).map((entry) => (entry === '.' ? own : entry))

const toEntries = (exportTo: readonly string[] | undefined, byDefault: readonly string[] | undefined) =>
  exportTo?.length ? exportTo : byDefault?.length ? byDefault : forAll

const forAll: readonly string[] = ['*']
