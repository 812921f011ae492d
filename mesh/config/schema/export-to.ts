import { findRepeated } from './find-repeated.ts'
import { isDnsLabel } from './host-names.ts'

/** What is wrong with the entries of an object's `exportTo`: namespaces, "." for its own, "*" for all, "~" for none (ServiceEntry only). */
export const exportToFaults = (
  exportTo: readonly string[],
  namespace: string,
  options: { readonly none?: boolean } = {},
): readonly { readonly index: number; readonly message: string }[] => {
  const repeated = new Set(findRepeated(exportTo.map((entry) => (entry === '.' ? namespace : entry))))
  return exportTo.flatMap((entry, index) => {
    if (repeated.has(index)) return [{ index, message: `"${entry}" is there already` }]
    if (entry === '~' && !options.none) return [{ index, message: '"~" is for ServiceEntries only' }]
    if (!['.', '*', '~'].includes(entry) && !isDnsLabel(entry))
      return [{ index, message: 'must be ".", "*" or a namespace' }]
    if ((entry === '*' || entry === '~') && exportTo.length > 1) return [{ index, message: `"${entry}" stands alone` }]
    return []
  })
}
