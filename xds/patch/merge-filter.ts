import type { Any } from '@bufbuild/protobuf/wkt'
import { mergeAny } from './merge-message.ts'

/** What filters of listeners, of connections and of HTTP have in common. */
interface Filter {
  name: string
  configType: { case: 'typedConfig'; value: Any } | { case: 'configDiscovery' | undefined }
}

/** Gives a filter the name and the configuration of another one; the latter is merged, when both are of one type. */
export const mergeFilter = (filter: Filter, { name, configType: from }: Filter): void => {
  const into = filter.configType
  if (into.case !== 'typedConfig') return
  if (name !== '') filter.name = name
  if (from.case === 'typedConfig') into.value = mergeAny(into.value, from.value)
}
