import type { Workload } from '../workload.ts'

/**
 * What telemetry says of a workload beside its account and its cluster, which are in its certificate anyway (Istio reference: Istio standard
 * metrics, labels `source_*` and `destination_*`).
 */
export interface PeerFacts {
  /** Name of what made it: a Deployment … */
  readonly workload: string
  readonly canonicalService: string
  readonly canonicalRevision: string
  readonly app: string
  readonly version: string
}

/** What a label says where nothing is known, as in Istio. */
export const unknownFact = 'unknown'

export const toPeerFacts = ({
  name,
  controller,
  labels,
}: Pick<Workload, 'name' | 'controller' | 'labels'>): PeerFacts => {
  const workload = controller ?? name
  const first = (...keys: readonly string[]) => keys.map((key) => labels[key]).find((value) => value)
  return {
    workload,
    canonicalService: first('service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app') ?? workload,
    canonicalRevision: first('service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version') ?? 'latest',
    app: first('app') ?? unknownFact,
    version: first('version') ?? unknownFact,
  }
}

const keys = {
  workload: 'workload',
  canonicalService: 'service',
  canonicalRevision: 'revision',
  app: 'app',
  version: 'version',
} as const satisfies Record<keyof PeerFacts, string>

const fields = Object.keys(keys) as (keyof PeerFacts)[]

/** Facts as the organizational units of a certificate's subject (docs/decisions/0020), in an order of their own. */
export const toSubjectUnits = (facts: PeerFacts): readonly string[] =>
  fields.map((field) => `${keys[field]}:${facts[field]}`)

/**
 * What a peer's certificate says, from its subject as Envoy writes it (RFC 2253: last unit first). Undefined where it says nothing: no peer,
 * or none of a mesh that has these.
 */
export const parsePeerSubject = (subject: string): PeerFacts | undefined => {
  const units = new Map(
    [...subject.matchAll(/(?:^|,)OU=([a-z]+):((?:[^,\\]|\\.)*)/g)].map(([, key = '', value = '']) => [
      key,
      value.replaceAll(/\\(.)/g, '$1'),
    ]),
  )
  const read = (field: keyof PeerFacts) => units.get(keys[field])
  const workload = read('workload')
  if (workload === undefined) return undefined
  return {
    workload,
    canonicalService: read('canonicalService') ?? workload,
    canonicalRevision: read('canonicalRevision') ?? 'latest',
    app: read('app') ?? unknownFact,
    version: read('version') ?? unknownFact,
  }
}
