/**
 * Whether an object of `own` namespace holds for clients in `namespace` (exportTo of VirtualService and DestinationRule): names, "."
 * for its own, "*" for all; absent = what the mesh has by default, which is for all.
 */
export const isExportedTo = (
  exportTo: readonly string[] | undefined,
  own: string,
  namespace: string,
  byDefault: readonly string[] = [],
): boolean => {
  const entries = exportTo?.length ? exportTo : byDefault
  return entries.length === 0 || entries.some((entry) => entry === '*' || (entry === '.' ? own : entry) === namespace)
}
