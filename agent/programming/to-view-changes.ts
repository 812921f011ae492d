import { clusterName, serviceKey } from '#mesh/names.ts'
import { stateKeys, type StateChange } from '#mesh/state.ts'
import type { ViewChange } from '#mesh/view.ts'

/**
 * What changes of the plane's state mean to the view. Trust, clusters and machine tokens are not among it: they have ways of their own
 * (`JoinedAgent`). A key that is of no kind that this version knows changes nothing.
 */
export const toViewChanges = (changes: readonly StateChange[]): ViewChange[] =>
  changes.flatMap((change) => toViewChange(change) ?? [])

const toViewChange = ({ key, item }: StateChange): ViewChange | undefined => {
  const [kind, rest] = splitOnce(key)
  switch (kind) {
    case 'settings':
      return item?.kind === 'settings' ? { kind: 'settings', value: item.value } : undefined
    case 'config':
      return { kind: 'config', origin: 'mesh', key: rest, value: item?.kind === 'config' ? item.value : null }
    case 'catalog':
    case 'summary': {
      const [clusterText, serviceText] = splitOnce(rest)
      const cluster = clusterName.safeParse(clusterText)
      const service = serviceKey.safeParse(serviceText)
      if (!cluster.success || !service.success) return undefined
      const named = { cluster: cluster.data, service: service.data }
      return kind === 'catalog'
        ? { kind, ...named, value: item?.kind === 'catalog' ? item.value : null }
        : { kind, ...named, value: item?.kind === 'summary' ? item.value : null }
    }
    default:
      return undefined
  }
}

/** Keys of clusters' states, as `cluster/<name>`. */
export const clusterOfKey = (key: string) => {
  const [kind, rest] = splitOnce(key)
  const name = kind === 'cluster' ? clusterName.safeParse(rest) : undefined
  return name?.success ? name.data : undefined
}

export const isMachineTokenKey = (key: string): boolean => key.startsWith(stateKeys.machineToken(''))

const splitOnce = (text: string): readonly [string, string] => {
  const at = text.indexOf('/')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
