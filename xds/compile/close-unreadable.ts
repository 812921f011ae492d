import type { FilterChain, Listener } from '#xds/model/listener.ts'
import { blackHoleUpstream } from './resource-names.ts'

export interface ClosedListener {
  readonly listener: Listener
  /** The keys of the objects whose chains answer nobody now. */
  readonly closed: readonly string[]
}

/**
 * A listener that a proxy refuses for files which are not there, or not what they should be: the chains of who names them answer nobody, so that
 * the others go on. Which files, the proxy's words tell: they name one. undefined when they name none of the listener's.
 */
export const closeUnreadable = (listener: Listener, reason: string): ClosedListener | undefined => {
  const named = listener.chains.flatMap(toFiles).filter((file) => reason.includes(file))
  // A name that is within another one is not meant.
  const [file] = named.toSorted((one, other) => other.length - one.length)
  if (file === undefined) return undefined
  const closed = new Set(
    listener.chains.flatMap((chain) => (toFiles(chain).includes(file) ? (chain.object ?? []) : [])),
  )
  const isClosed = (chain: FilterChain) =>
    toFiles(chain).includes(file) ||
    (chain.object !== undefined && closed.has(chain.object) && toFiles(chain).length > 0)
  const chains = listener.chains.map((chain) => (isClosed(chain) ? close(chain) : chain))
  return { listener: { ...listener, chains }, closed: [...closed] }
}

export const toFiles = ({ tls }: FilterChain): string[] => {
  if (!tls) return []
  const sources = [...tls.certificates, ...(tls.clients ? [tls.clients.authorities] : [])]
  return sources.flatMap((source) => {
    if (source.kind === 'secret') return []
    return 'chainFile' in source
      ? [source.chainFile, source.keyFile]
      : [source.caFile, ...(source.revocationFile === undefined ? [] : [source.revocationFile])]
  })
}

const close = ({ match, object, handler }: FilterChain): FilterChain => ({
  match,
  ...(object !== undefined && { object }),
  handler: {
    kind: 'tcp',
    statPrefix: handler.statPrefix,
    destinations: [{ upstream: blackHoleUpstream, weight: 1 }],
    hashesSourceIp: false,
  },
})
