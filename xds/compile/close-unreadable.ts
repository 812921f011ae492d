import type { FilterChain, Listener } from '#xds/model/listener.ts'
import { blackHoleUpstream } from './resource-names.ts'

export interface ClosedListener {
  readonly listener: Listener
  /** The keys of the objects of which chains answer nobody now. */
  readonly closed: readonly string[]
}

/** The proxy is asked once for each file, and others wait for it: who has more that can not be read is closed as a whole. */
const maxFilesOfObject = 5

/**
 * A listener that a proxy refuses for a file which is not there, or not what it should be: the chains that name it answer nobody, so that the
 * others go on. Which file, the proxy's words tell. undefined when they name none of the listener's. `before`: for which objects that was
 * done already, once for each file.
 */
export const closeUnreadable = (
  listener: Listener,
  reason: string,
  before: readonly string[],
): ClosedListener | undefined => {
  const named = listener.chains.flatMap(toFiles).filter((file) => reason.includes(file))
  // A name that is within another one is not meant.
  const [file] = named.toSorted((one, other) => other.length - one.length)
  if (file === undefined) return undefined
  const closed = new Set(
    listener.chains.flatMap((chain) => (toFiles(chain).includes(file) ? (chain.object ?? []) : [])),
  )
  const isWhole = (object: string) =>
    closed.has(object) && before.filter((each) => each === object).length + 1 >= maxFilesOfObject
  const isClosed = (chain: FilterChain) =>
    toFiles(chain).includes(file) || (chain.object !== undefined && isWhole(chain.object) && toFiles(chain).length > 0)
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
