/**
 * Whether an object of `own` namespace holds for clients in `namespace` (exportTo of VirtualService and DestinationRule): names, "."
 * for its own, "*" for all; absent = what the mesh has by default, which is for all.
 */
export const isExportedTo = (
  exportTo: readonly string[] | undefined,
  own: string,
  namespace: string,
  byDefault: readonly string[] | undefined,
): boolean => toAudience(exportTo, own, byDefault).some((entry) => entry === '*' || entry === namespace)

/** The namespaces that such an object holds for; "*" = all. */
export const toAudience = (
  exportTo: readonly string[] | undefined,
  own: string,
  byDefault: readonly string[] | undefined,
): readonly string[] => {
  const entries = exportTo?.length ? exportTo : byDefault?.length ? byDefault : ['*']
  return entries.map((entry) => (entry === '.' ? own : entry))
}
