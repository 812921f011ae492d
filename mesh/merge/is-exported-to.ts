/**
 * Whether an object of `own` namespace holds for clients in `namespace` (exportTo of VirtualService and DestinationRule): names, "."
 * for its own, "*" for all; absent = for all.
 */
export const isExportedTo = (exportTo: readonly string[] | undefined, own: string, namespace: string): boolean =>
  exportTo === undefined ||
  exportTo.length === 0 ||
  exportTo.some((entry) => entry === '*' || (entry === '.' ? own : entry) === namespace)
