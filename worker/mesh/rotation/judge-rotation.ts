import type { Holder, Holders } from './trust-holders.ts'
import type { RotationStep, Wait } from './rotation-row.ts'
import { rotationSteps } from './rotation-row.ts'

/** What a rotation is judged by, beside what agents say. */
export interface RotationFacts {
  readonly step: RotationStep
  /** The version of the trust that agents are to hold. */
  readonly told: number
  /** Fingerprints of the intermediates, by cluster, that the root to which it goes has signed. */
  readonly successors: ReadonlyMap<string, ReadonlySet<string>>
  /** The version that brought the last of those to the agents. */
  readonly successorsTold: number
  /** External issuers whose certificate is of the root that is to go. */
  readonly issuers: readonly { readonly name: string; readonly clusters: readonly string[] }[]
  /** Clusters for whose sake the old root is trusted, and until when its intermediate is good. */
  readonly remaining: readonly { readonly cluster: string; readonly notAfter: string; readonly isLeft: boolean }[]
}

type Judge = (facts: RotationFacts, holders: Holders) => readonly Wait[]

const waitFor = (code: Wait['code'], { cluster, replica }: Holder, message: string): Wait => ({
  code,
  cluster,
  proxy: null,
  message: `its agent ${replica} ${message}`,
})

/** Names proxies where they are named, and says at least how many there are. */
const waitForProxies = (code: Wait['code'], holder: Holder, count: number, message: string): readonly Wait[] => {
  const { cluster, report } = holder
  const named = report.laggards.map(({ proxy, waitingFor }): Wait => ({
    code,
    cluster,
    proxy,
    message: `waits for ${waitingFor}`,
  }))
  return named.length > 0 ? named : [waitFor(code, holder, `has ${count} proxies ${message}`)]
}

/** Agents verify intermediates against both roots. */
const trustBoth: Judge = ({ told }, { said, unknown }) => [
  ...unknown,
  ...said.flatMap((holder) =>
    holder.report.version < told ? [waitFor('behind', holder, 'has not taken over the trust yet')] : [],
  ),
]

/** Each replica has an intermediate of the new root, which signs or waits. */
const reissueIntermediates: Judge = ({ successors }, { said }) =>
  said.flatMap((holder) => {
    const { signer, incoming } = holder.report
    const has = (fingerprint: string | null) =>
      fingerprint !== null && successors.get(holder.cluster)?.has(fingerprint) === true
    return has(signer) || has(incoming) ? [] : [waitFor('behind', holder, 'has no intermediate of the new root yet')]
  })

/** Every proxy holds all of them, and would know its agent by one. Nobody outside of the mesh still builds on the old root. */
const distribute: Judge = ({ successorsTold, issuers }, { said, absent }) => [
  ...absent,
  ...said.flatMap((holder) => {
    const { held, untrusted, unproven, version } = holder.report
    if (version < successorsTold) return [waitFor('behind', holder, 'has not taken over the trust yet')]
    return [
      ...untrusted.map(({ cluster, reason }) =>
        waitFor('untrusting', holder, `does not trust the intermediate of ${cluster}: ${reason}`),
      ),
      ...(held < successorsTold
        ? waitForProxies('behind', holder, 1, 'that have not taken what they are to trust')
        : unproven > 0
          ? waitForProxies('unproven', holder, unproven, 'that have not come back with the new root yet')
          : []),
    ]
  }),
  ...issuers.map(({ name, clusters }): Wait => ({
    code: 'issuer',
    cluster: null,
    proxy: null,
    message:
      `the external issuer ${name} (trusted in ${clusters.join(', ')}) has a certificate of the old root, by which its own proxies know the mesh: ` +
      'add its successor, have it used, and remove this one (docs/runbooks/rotate-the-root.md)',
  })),
]

/** All leaves are of the new root. */
const reissueLeaves: Judge = ({ successors }, { said }) =>
  said.flatMap((holder) => {
    const { signer, otherLeaves } = holder.report
    if (signer === null || !successors.get(holder.cluster)?.has(signer))
      return [waitFor('behind', holder, 'does not sign by its intermediate of the new root yet')]
    return otherLeaves > 0 ? waitForProxies('behind', holder, otherLeaves, 'with a certificate of the old root') : []
  })

/** Nobody trusts anything of the old root any more. */
const retire: Judge = ({ told, remaining }, { said }) => [
  ...remaining.map(({ cluster, notAfter, isLeft }): Wait => ({
    code: isLeft ? 'away' : 'behind',
    cluster,
    proxy: null,
    message: isLeft
      ? `it was left behind: its intermediate of the old root is trusted until it is back, evicted, or ${notAfter}`
      : 'not all of its agents and proxies were done with the old root when they were last heard of',
  })),
  ...said.flatMap((holder) => {
    const { version, held } = holder.report
    if (version < told) return [waitFor('behind', holder, 'has not taken over the trust yet')]
    return held < told ? waitForProxies('behind', holder, 1, 'that have not taken what they are to trust') : []
  }),
]

const judges: Readonly<Record<RotationStep, Judge>> = {
  'trust-both': trustBoth,
  'reissue-intermediates': reissueIntermediates,
  distribute,
  'reissue-leaves': reissueLeaves,
  retire,
}

/**
 * What is in the way of the next step. What earlier steps have waited for counts in later ones too: a cluster that joins or comes back has to catch
 * up with all of it.
 */
export const judgeRotation = (facts: RotationFacts, holders: Holders): readonly Wait[] =>
  rotationSteps.slice(0, rotationSteps.indexOf(facts.step) + 1).flatMap((step) => judges[step](facts, holders))
