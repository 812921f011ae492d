import type { AuthorizationPolicySpec } from '../config/authorization-policy.ts'
import { defaultMeshConfig } from '../config/mesh-config.ts'
import { hasLabels } from '../has-labels.ts'
import type { Problem } from '../problem.ts'
import { nameOf, problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'

/** What objects of security.istio.io say in vain, each of them being right by itself. */
export const findSecurityProblems = (objects: AnalyzedObjects, known: KnownMesh): readonly Problem[] => [
  ...findPortsOfServices(objects),
  ...findUnauthenticated(objects, known),
]

/** Of portLevelMtls, which is about ports of workloads: those that are a Service's, and lead to other ones. */
const findPortsOfServices = ({ peerAuthentications, services }: AnalyzedObjects): readonly Problem[] => {
  const byNamespace = Map.groupBy(services, ({ metadata }) => metadata.namespace)
  return peerAuthentications.flatMap((object) => {
    const { selector, portLevelMtls = {} } = object.spec
    const labels = selector?.matchLabels ?? {}
    // All that the object selects is behind these.
    const leading = (byNamespace.get(object.metadata.namespace) ?? []).filter(
      ({ spec }) => Object.keys(spec.selector ?? {}).length > 0 && hasLabels(labels, spec.selector ?? {}),
    )
    const targets = leading.flatMap(({ spec }) => spec.ports.map(({ port, targetPort }) => targetPort ?? port))
    return Object.keys(portLevelMtls).flatMap((text) => {
      const number = Number(text)
      // A name may be of any number.
      if (targets.some((target) => target === number || typeof target === 'string')) return []
      const service = leading.find(({ spec }) => spec.ports.some(({ port }) => port === number))
      const target = service?.spec.ports.find(({ port }) => port === number)?.targetPort
      if (!service || target === undefined) return []
      const message = `is a port of ${nameOf(service)}, that leads to port ${target} of its workloads: it is their ports that are meant here`
      return [problemOf(object, 'dangling_reference', 'warning', ['spec', 'portLevelMtls', text], message)]
    })
  })
}

/** What asks who a request's token is of, where nothing reads tokens. */
const findUnauthenticated = (
  { authorizationPolicies, requestAuthentications }: AnalyzedObjects,
  { defaults: { rootNamespace } = defaultMeshConfig }: KnownMesh,
): readonly Problem[] => {
  const reading = new Set(
    requestAuthentications.filter(({ spec }) => spec.jwtRules.length > 0).map(({ metadata }) => metadata.namespace),
  )
  // Of the root namespace both may be for any.
  if (reading.has(rootNamespace)) return []
  return authorizationPolicies
    .filter(
      ({ metadata }) => !(metadata.namespace === rootNamespace ? reading.size > 0 : reading.has(metadata.namespace)),
    )
    .flatMap((object) =>
      findTokenPaths(object.spec).map((path) =>
        problemOf(
          object,
          'ineffective',
          'warning',
          ['spec', ...path],
          'no RequestAuthentication is for its workloads: no request has a token that was checked',
        ),
      ),
    )
}

/** The first place in each rule. */
const findTokenPaths = ({ rules }: AuthorizationPolicySpec): readonly (readonly PropertyKey[])[] =>
  rules.flatMap(({ from = [], when }, index) => {
    const sources = from.flatMap(({ source }, place) =>
      (['requestPrincipals', 'notRequestPrincipals'] as const)
        .filter((field) => (source[field]?.length ?? 0) > 0)
        .map((field) => ['rules', index, 'from', place, 'source', field]),
    )
    const conditions = when.flatMap(({ key }, place) =>
      key.startsWith('request.auth.') ? [['rules', index, 'when', place, 'key']] : [],
    )
    return [...sources, ...conditions].slice(0, 1)
  })
