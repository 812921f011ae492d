import type { AccessLog } from '#api/schemas/telemetry.ts'
import type { Effect } from '#xds/foretell/foretell-effect.ts'
import { toHost } from '#xds/foretell/recorded-address.ts'
import { toPathTemplate } from './path-template.ts'

/** Calls of one kind that were seen. */
export interface SeenCalls {
  /** A SPIFFE ID; of who has none what clients call themselves, or `somebody`. */
  readonly source: string
  /** Where who has no SPIFFE ID calls from: a few of the addresses. */
  readonly addresses: readonly string[]
  /** The workload or gateway that is called. */
  readonly called: string
  readonly request: string
  /** The path of one of them, where they have several. */
  readonly example?: string
  readonly plaintext: boolean
  /** How many of those that were looked at. */
  readonly times: number
}

export type ChangedCalls = SeenCalls & {
  readonly before: string
  readonly after: string
  readonly by: readonly string[]
}
export type OpenCalls = SeenCalls & { readonly before: string; readonly missing: readonly string[] }

interface Foretold {
  readonly called: string
  readonly record: AccessLog
  readonly effect: Effect
}

const maxAddresses = 3

/** Those that would be answered otherwise, and those of which that is not known; the most frequent first. */
export const sumEffects = (
  all: readonly Foretold[],
): { readonly changed: readonly ChangedCalls[]; readonly notKnown: readonly OpenCalls[] } => {
  const differing = all.filter(({ effect }) => effect.after !== effect.before)
  const groups = [...Map.groupBy(differing, toKey).values()].map((group) => {
    const addresses = [...new Set(group.flatMap(({ record }) => toAddress(record)))].toSorted()
    return { first: group[0], times: group.length, addresses: addresses.slice(0, maxAddresses) }
  })
  const told = groups
    .toSorted((one, other) => other.times - one.times)
    .flatMap(({ first, times, addresses }) =>
      first ? [{ effect: first.effect, calls: { ...toKind(first), ...toExample(first), addresses, times } }] : [],
    )
  return {
    changed: told.flatMap(({ effect: { before, after, by }, calls }) =>
      after === 'not-known'
        ? []
        : [{ ...calls, before, after, by: by.map(({ object, path }) => `${object} ${path ?? ''}`.trim()) }],
    ),
    notKnown: told.flatMap(({ effect: { before, after, missing }, calls }) =>
      after === 'not-known' ? [{ ...calls, before, missing }] : [],
    ),
  }
}

const toKey = (foretold: Foretold): string => JSON.stringify([toKind(foretold), foretold.effect])

const toKind = ({ called, record, effect }: Foretold) => ({
  source: record.reporter === 'source' ? 'clients' : (record.source_principal ?? toProduct(record) ?? 'somebody'),
  called,
  request: toRequest(record, effect.port),
  plaintext: record.reporter === 'destination' && record.connection_security_policy === 'none',
})

/** "Prometheus/2.53.0 (linux)" is "Prometheus/2.53.0". */
const toProduct = ({ user_agent: agent }: AccessLog): string | undefined => agent?.split(' ')[0]

const toRequest = (record: AccessLog, port: number | undefined): string => {
  const { request_protocol: protocol, method, authority, path } = record
  if (protocol === 'tcp') return `TCP port ${port ?? record.destination_port ?? 'unknown'}`
  return `${method ?? '?'} ${authority ?? ''}${path === undefined ? '' : toPathTemplate(path)}`
}

const toExample = ({ record: { path } }: Foretold): Pick<SeenCalls, 'example'> => {
  const whole = path?.replace(/[?#].*$/s, '')
  return whole === undefined || whole === toPathTemplate(whole) ? {} : { example: whole }
}

const toAddress = ({
  reporter,
  source_principal: principal,
  source_address: address,
}: AccessLog): readonly string[] => {
  if (reporter === 'destination' && principal !== undefined) return []
  const host = toHost(address)
  return host === undefined ? [] : [host]
}
