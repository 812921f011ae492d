import type {
  AuthorizationCondition,
  AuthorizationOperation,
  AuthorizationRule,
  AuthorizationSource,
} from '#mesh/config/authorization-policy.ts'
import { parseConditionKey } from '#mesh/config/schema/condition-key.ts'
import { isPathTemplate } from '#mesh/config/schema/path-template.ts'
import type { AccessRule, AccessText, CalledFact, CallerFact, Condition } from '#xds/model/access.ts'
import {
  compileCluster,
  compileNamespace,
  compilePrincipal,
  compileServiceAccount,
  compileText,
  compileTrustDomain,
  type OwnDomains,
} from './access-text.ts'

export interface RulePlace {
  /** Of the policy. */
  readonly namespace: string
  readonly domains: OwnDomains
  /** Of what is judged: requests, or connections of which nothing else is known. */
  readonly of: 'requests' | 'connections'
  /** What becomes of a rule that asks of requests where there are connections alone: it matches nothing, or what it says beside that. */
  readonly elsewhere: 'nothing' | 'the-rest'
}

/** What a rule asks of an attribute. */
interface Asked<Fact> {
  readonly values?: readonly string[] | undefined
  readonly notValues?: readonly string[] | undefined
  readonly isOfRequests: boolean
  readonly toCondition: (value: string) => Condition<Fact>
}

/**
 * Istio reference: AuthorizationPolicy, Rule. A call is matched when one of the sources, one of the operations and all conditions are. What is asked of the caller and what of what is
 * called are apart, as Envoy has them. Undefined: it matches nothing here.
 */
export const compileAccessRule = (
  { from = [], to = [], when }: AuthorizationRule,
  place: RulePlace,
): Pick<AccessRule, 'who' | 'what'> | undefined => {
  const conditions = when.map((each) => toAskedByCondition(each, place))
  if (conditions.some((each) => each === undefined)) return undefined
  const ofCaller = conditions.flatMap((each) => each?.caller ?? [])
  const ofCalled = conditions.flatMap((each) => each?.called ?? [])
  const who = compileSides(
    from.map(({ source }) => toAskedBySource(source, place)),
    ofCaller,
    place,
  )
  const what = compileSides(
    to.map(({ operation }) => toAskedByOperation(operation)),
    ofCalled,
    place,
  )
  return who && what && { who, what }
}

/**
 * One of several sides, and what is asked of each of them: that is said once, as an object of many sides and many values would else be very many conditions.
 * Undefined: something of it cannot be asked here. Istio: of such a rule all is left out, not that source or operation alone.
 */
const compileSides = <Fact>(
  sides: readonly (readonly Asked<Fact>[])[],
  common: readonly Asked<Fact>[],
  place: RulePlace,
): readonly Condition<Fact>[] | undefined => {
  const [only = [], ...others] = sides
  if (others.length === 0) return toList(compileAsked([...only, ...common], place))
  const compiled = sides.map((asked) => compileAsked(asked, place))
  const shared = compileAsked(common, place)
  if (!shared || !isComplete(compiled)) return undefined
  return shared.kind === 'any' ? compiled : [toAll([toOne(compiled), shared])]
}

const toList = <Item>(item: Item | undefined): readonly Item[] | undefined => (item === undefined ? undefined : [item])

const isComplete = <Fact>(list: readonly (Fact | undefined)[]): list is readonly Fact[] => !list.includes(undefined)

/** All that is asked; undefined: nothing can be. */
const compileAsked = <Fact>(
  asked: readonly Asked<Fact>[],
  { of, elsewhere }: RulePlace,
): Condition<Fact> | undefined => {
  const set = asked.filter(({ values = [], notValues = [] }) => values.length + notValues.length > 0)
  const askable = set.filter(({ isOfRequests }) => of === 'requests' || !isOfRequests)
  if (askable.length < set.length && elsewhere === 'nothing') return undefined
  return toAll(
    askable.flatMap(({ values = [], notValues = [], toCondition }) => [
      ...(values.length > 0 ? [toOne(values.map(toCondition))] : []),
      ...(notValues.length > 0 ? [{ kind: 'not' as const, of: toOne(notValues.map(toCondition)) }] : []),
    ]),
  )
}

const toAll = <Fact>(of: readonly Condition<Fact>[]): Condition<Fact> => {
  const [only, ...others] = of
  if (!only) return { kind: 'any' }
  return others.length === 0 ? only : { kind: 'all', of }
}

const toOne = <Fact>(of: readonly Condition<Fact>[]): Condition<Fact> => {
  const [only, ...others] = of
  return only && others.length === 0 ? only : { kind: 'one', of }
}

const toFact = <Fact>(fact: Fact): Condition<Fact> => ({ kind: 'fact', fact })

const peer = (text: AccessText): Condition<CallerFact> => toFact({ kind: 'peer', text })

const claim = (path: readonly string[], text: AccessText): Condition<CallerFact> =>
  toFact({ kind: 'claim', path, text })

const toAskedBySource = (
  source: AuthorizationSource,
  { namespace, domains }: RulePlace,
): readonly Asked<CallerFact>[] => {
  const ask = (
    values: readonly string[] | undefined,
    notValues: readonly string[] | undefined,
    toCondition: (value: string) => Condition<CallerFact>,
    isOfRequests = false,
  ): Asked<CallerFact> => ({ values, notValues, isOfRequests, toCondition })
  return [
    ask(source.principals, source.notPrincipals, (value) => peer(compilePrincipal(value, domains))),
    ask(source.requestPrincipals, source.notRequestPrincipals, compileRequestPrincipal, true),
    ask(source.namespaces, source.notNamespaces, (value) => peer(compileNamespace(value))),
    ask(source.serviceAccounts, source.notServiceAccounts, (value) => peer(compileServiceAccount(value, namespace))),
    ask(source.trustDomains, source.notTrustDomains, (value) => peer(compileTrustDomain(value, domains))),
    ask(source.ipBlocks, source.notIpBlocks, (block) => toFact({ kind: 'connected-from', block })),
    ask(source.remoteIpBlocks, source.notRemoteIpBlocks, (block) => toFact({ kind: 'client-address', block })),
  ]
}

/**
 * "<issuer>/<subject>", parted at the last slash: an issuer may have slashes, a subject has none. So an issuer whose name begins as another's with a slash after it cannot
 * be taken for it (Istio).
 */
const compileRequestPrincipal = (value: string): Condition<CallerFact> => {
  const toBoth = (issuer: AccessText, subject: AccessText): Condition<CallerFact> =>
    toAll([claim(['iss'], issuer), claim(['sub'], subject)])
  const present: AccessText = { kind: 'present' }
  const slash = value.lastIndexOf('/')
  if (value === '*') return toBoth(present, present)
  if (slash === -1)
    return value.startsWith('*') ? toBoth(present, compileText(value)) : toBoth(compileText(value), present)
  const issuer = value.slice(0, slash)
  const subject = value.slice(slash + 1)
  // A star at the other end is a letter.
  return toBoth(
    issuer.startsWith('*') ? compileText(issuer) : { kind: 'exact', text: issuer },
    value.startsWith('*') || !subject.endsWith('*') ? { kind: 'exact', text: subject } : compileText(subject),
  )
}

const toAskedByOperation = (operation: AuthorizationOperation): readonly Asked<CalledFact>[] => [
  {
    values: operation.hosts,
    notValues: operation.notHosts,
    isOfRequests: true,
    toCondition: (value) => toFact({ kind: 'host', text: compileText(value) }),
  },
  {
    values: operation.methods,
    notValues: operation.notMethods,
    isOfRequests: true,
    toCondition: (value) => toFact({ kind: 'method', text: compileText(value) }),
  },
  { values: operation.paths, notValues: operation.notPaths, isOfRequests: true, toCondition: compilePath },
  { values: operation.ports, notValues: operation.notPorts, isOfRequests: false, toCondition: compilePort },
]

const compilePort = (value: string): Condition<CalledFact> => toFact({ kind: 'port', port: Number(value) })

const compilePath = (value: string): Condition<CalledFact> =>
  isPathTemplate(value)
    ? toFact({ kind: 'path-template', template: value.replaceAll('{**}', '**').replaceAll('{*}', '*') })
    : toFact({ kind: 'path', text: compileText(value) })

type AskedByCondition = { readonly caller?: Asked<CallerFact>; readonly called?: Asked<CalledFact> }

/** Undefined: nobody knows the attribute, so that nothing has it. */
const toAskedByCondition = (
  { key, values, notValues }: AuthorizationCondition,
  place: RulePlace,
): AskedByCondition | undefined => {
  const parsed = parseConditionKey(key)
  if (!('key' in parsed)) return undefined
  const ofCaller = (toCondition: (value: string) => Condition<CallerFact>, isOfRequests = false): AskedByCondition => ({
    caller: { values, notValues, isOfRequests, toCondition },
  })
  const ofCalled = (toCondition: (value: string) => Condition<CalledFact>): AskedByCondition => ({
    called: { values, notValues, isOfRequests: false, toCondition },
  })
  const { key: asked } = parsed
  switch (asked.attribute) {
    case 'source.ip':
      return ofCaller((block) => toFact({ kind: 'connected-from', block }))
    case 'remote.ip':
      return ofCaller((block) => toFact({ kind: 'client-address', block }))
    case 'source.namespace':
      return ofCaller((value) => peer(compileNamespace(value)))
    case 'source.serviceAccount':
      return ofCaller((value) => peer(compileServiceAccount(value, place.namespace)))
    case 'source.principal':
      return ofCaller((value) => peer(compilePrincipal(value, place.domains)))
    case 'source.trustDomain':
      return ofCaller((value) => peer(compileTrustDomain(value, place.domains)))
    case 'source.cluster':
      return ofCaller((value) => toFact({ kind: 'peer-name', text: compileCluster(value, place.domains) }))
    case 'request.auth.principal':
      return ofCaller(compileRequestPrincipal, true)
    case 'request.auth.audiences':
      return ofCaller((value) => claim(audience, compileText(value)), true)
    case 'request.auth.presenter':
      return ofCaller((value) => claim(presenter, compileText(value)), true)
    case 'request.auth.claims':
      return ofCaller((value) => claim(asked.claims, compileText(value)), true)
    case 'request.headers':
      return ofCaller((value) => toFact({ kind: 'header', name: asked.header, text: compileText(value) }), true)
    case 'destination.ip':
      return ofCalled((block) => toFact({ kind: 'address', block }))
    case 'destination.port':
      return ofCalled(compilePort)
    case 'connection.sni':
      return ofCalled((value) => toFact({ kind: 'server-name', text: compileText(value) }))
    case 'experimental.envoy.filters':
      return ofCalled((value) => compileMetadata(asked, value))
  }
}

/** RFC 7519 §4.1.3; OpenID Connect Core §2. */
const audience = ['aud']
const presenter = ['azp']

/** "[value]": it is one of a list. */
const compileMetadata = (
  { filter, key }: { readonly filter: string; readonly key: string },
  value: string,
): Condition<CalledFact> => {
  const isListed = value.startsWith('[') && value.endsWith(']')
  return toFact({ kind: 'metadata', filter, key, text: compileText(isListed ? value.slice(1, -1) : value), isListed })
}
