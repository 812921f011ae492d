import { create } from '@bufbuild/protobuf'
import {
  JwtAuthenticationSchema,
  JwtProviderSchema,
  JwtRequirementSchema,
  RequirementRuleSchema,
  type JwtAuthentication,
  type JwtProvider,
  type JwtRequirement,
  type RequirementRule,
} from '#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts'
import { toServedKeySet } from '#mesh/security/key-set.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { TokenCheck, TokenPlace, TokenRule } from '#xds/model/token-check.ts'
import type { RouteMatch } from '#xds/model/virtual-host.ts'
import type { Fallback } from '#xds/resource-set.ts'
import { buildRouteMatch } from './build-route-match.ts'
import { buildDiscovered } from './discovered-filter.ts'
import { allConditions, findAmbiguous, hasToken, type Conditions } from './match-token-places.ts'
import type { MessageFields } from './message-fields.ts'
import { tokenFilterName } from './token-filter.ts'

/** The key of what a token says, in the dynamic metadata of the filter. */
const payloadKey = 'payload'
/** Envoy's own default. */
const clockSkewSeconds = 60
/** Of more places it is not told which one a token is at, as that takes a rule for each two of them: a token's headers may be missing. */
const maxToldPlaces = 16

/** Looks where nobody sends anything, and believes nobody: what needs it is refused. It takes away what others set of a token. */
const nobody = 'nobody'
export const nobodysIssuer = 'nobody.invalid'
const nobodysHeader = 'x-atoll-no-token'

/** The filter of tokens in a proxy's listeners. What it refuses of that is replaced by what refuses every request. */
export const buildTokenFilter = (check: TokenCheck): UnitResource => {
  if (check.refusesAll) return buildFilter(buildRefusal())
  const built = buildFilter(buildTokenCheck(check))
  if (check.rules.length === 0) return built
  const fallbacks = (reason: string): readonly Fallback[] => [
    {
      resource: buildFilter(buildRefusal()).resource,
      without: check.objects.map((object) => ({ object, reason })),
    },
  ]
  return { ...built, resource: { ...built.resource, fallbacks } }
}

const buildFilter = (check: JwtAuthentication): UnitResource =>
  buildDiscovered(tokenFilterName, JwtAuthenticationSchema, check)

const buildRefusal = (): JwtAuthentication =>
  create(JwtAuthenticationSchema, {
    providers: { [nobody]: buildNobody([]) },
    rules: [buildRule(anything, provider(nobody))],
  })

/**
 * Envoy's filter for tokens. Its own requirement for "a right token or none" (`allow_missing`, as Istio uses it) takes the last of several tokens for
 * all of them. So here a provider looks at one place alone, each place is asked for, and requests of which it is not sure which token the application would
 * take are refused first.
 */
const buildTokenCheck = ({ rules }: TokenCheck): JwtAuthentication => {
  if (rules.length === 0) return create(JwtAuthenticationSchema)
  const places = distinct(rules.flatMap((rule) => rule.places))
  const lookedAt = places.map((place) => ({
    place,
    providers: rules.flatMap((rule, index) => {
      const isThere = rule.places.some((each) => toKey(each) === toKey(place))
      return isThere ? [{ name: `${index} ${toKey(place)}`, value: buildProvider(rule, place) }] : []
    }),
  }))
  const outputs = findOutputs(rules)
  const all = lookedAt.flatMap(({ providers }) => providers)
  return create(JwtAuthenticationSchema, {
    providers: Object.fromEntries([...all.map(({ name, value }) => [name, value]), [nobody, buildNobody(outputs)]]),
    rules: buildRules(
      lookedAt.map(({ place, providers }) => ({ place, providers: providers.map(({ name }) => name) })),
      { isAmbiguous: isAmbiguous(rules), hasOutputs: outputs.length > 0 },
    ),
  })
}

interface LookedAt {
  readonly place: TokenPlace
  /** Of the rules that look there. */
  readonly providers: readonly string[]
}

interface Traits {
  /** Whether an issuer does not say which rule a token is for. */
  readonly isAmbiguous: boolean
  readonly hasOutputs: boolean
}

/** The first that matches counts. */
const buildRules = (
  lookedAt: readonly LookedAt[],
  { isAmbiguous: needsOne, hasOutputs }: Traits,
): RequirementRule[] => {
  const clean = hasOutputs ? [anyOf([provider(nobody), allowMissing])] : []
  const refused = provider(nobody)
  const ambiguous = lookedAt.flatMap(({ place }) => findAmbiguous(place))
  // With several rules of an issuer, what Envoy's `allow_missing` finds by it may be another one than that which looks there.
  const each = lookedAt.map(({ providers }) => anyOf([...providers.map(provider), ...(needsOne ? [] : [allowMissing])]))
  const every = needsOne ? refused : allOf([...clean, ...each])
  const told = lookedAt.length <= maxToldPlaces ? lookedAt.map(({ place }) => hasToken(place)) : []
  // A provider takes the headers away that it may set: those of a token at one place, where others are looked at after it.
  const several = told.flatMap((one, index) => told.slice(index + 1).map((other) => allConditions(one, other)))
  const names = lookedAt.flatMap(({ providers }) => providers)
  return [
    buildRule(preflight, clean[0]),
    ...ambiguous.map((conditions) => buildRule(conditions, refused)),
    ...several.map((conditions) => buildRule(conditions, every)),
    ...told.map((conditions, index) => buildRule(conditions, allOf([...clean, ...each.slice(index, index + 1)]))),
    buildRule(anything, needsOne ? allOf([...clean, anyOf([...names.map(provider), allowMissing])]) : every),
  ]
}

/** Browsers send no tokens with it (Fetch §3.2.2). */
const preflight: Conditions = {
  headers: [
    { name: ':method', value: { kind: 'exact', text: 'OPTIONS' }, isInverted: false },
    ...['origin', 'access-control-request-method'].map((name) => ({
      name,
      value: { kind: 'regex' as const, text: '.+' },
      isInverted: false,
    })),
  ],
  queryParameters: [],
}
const anything: Conditions = { headers: [], queryParameters: [] }

/** An empty prefix is of every request, also of one without a path. */
const everyPath: RouteMatch['path'] = { kind: 'prefix', text: '', ignoresCase: false }

const buildRule = (conditions: Conditions, requires: JwtRequirement | undefined): RequirementRule =>
  create(RequirementRuleSchema, {
    match: buildRouteMatch({ path: everyPath, ...conditions }),
    ...(requires && { requirementType: { case: 'requires', value: requires } }),
  })

const requirement = (requiresType: MessageFields<typeof JwtRequirementSchema>['requiresType']): JwtRequirement =>
  create(JwtRequirementSchema, requiresType ? { requiresType } : {})
const provider = (name: string): JwtRequirement => requirement({ case: 'providerName', value: name })
const allowMissing = requirement({ case: 'allowMissing', value: {} })
/** Envoy takes no list of one. */
const anyOf = (requirements: readonly JwtRequirement[]): JwtRequirement =>
  (requirements.length === 1 && requirements[0]) ||
  requirement({ case: 'requiresAny', value: { requirements: [...requirements] } })
const allOf = (requirements: readonly JwtRequirement[]): JwtRequirement =>
  (requirements.length === 1 && requirements[0]) ||
  requirement({ case: 'requiresAll', value: { requirements: [...requirements] } })

const buildProvider = (rule: TokenRule, place: TokenPlace): JwtProvider =>
  create(JwtProviderSchema, {
    ...(rule.issuer !== undefined && { issuer: rule.issuer }),
    audiences: [...rule.audiences],
    jwksSourceSpecifier: inline(rule.jwks),
    ...toLocation(place),
    forward: rule.isForwarded,
    forwardPayloadHeader: rule.payloadHeader ?? '',
    claimToHeaders: rule.claimHeaders.map(({ header, claim }) => ({ headerName: header, claimName: claim })),
    payloadInMetadata: payloadKey,
    // Routes may go by claims.
    clearRouteCache: true,
    normalizePayloadInMetadata: { spaceDelimitedClaims: [...rule.spaceDelimitedClaims] },
    clockSkewSeconds,
  })

const buildNobody = (outputs: readonly string[]): JwtProvider =>
  create(JwtProviderSchema, {
    issuer: nobodysIssuer,
    jwksSourceSpecifier: inline(toServedKeySet(undefined)),
    ...toLocation({ kind: 'header', name: nobodysHeader, prefix: '' }),
    claimToHeaders: outputs.map((headerName) => ({ headerName, claimName: nobody })),
  })

const inline = (jwks: string) => ({
  case: 'localJwks' as const,
  value: { specifier: { case: 'inlineString' as const, value: jwks } },
})

const toLocation = (place: TokenPlace): MessageFields<typeof JwtProviderSchema> => {
  switch (place.kind) {
    case 'header':
      return { fromHeaders: [{ name: place.name, valuePrefix: place.prefix }] }
    case 'parameter':
      return { fromParams: [place.name] }
    case 'cookie':
      return { fromCookies: [place.name] }
  }
}

/** The headers that say something of a token: none that a client sends passes for one. */
const findOutputs = (rules: readonly TokenRule[]): readonly string[] =>
  [
    ...new Set(
      rules.flatMap(({ payloadHeader, claimHeaders }) => [
        ...(payloadHeader === undefined ? [] : [payloadHeader]),
        ...claimHeaders.map(({ header }) => header),
      ]),
    ),
  ].toSorted()

const isAmbiguous = (rules: readonly TokenRule[]): boolean =>
  rules.length > 1 &&
  (new Set(rules.map(({ issuer }) => issuer)).size < rules.length || rules.some(({ issuer }) => issuer === undefined))

const toKey = (place: TokenPlace): string =>
  place.kind === 'header' ? `header ${place.name.toLowerCase()} ${place.prefix}` : `${place.kind} ${place.name}`

const distinct = (places: readonly TokenPlace[]): readonly TokenPlace[] => [
  ...new Map(places.map((place) => [toKey(place), place])).values(),
]
