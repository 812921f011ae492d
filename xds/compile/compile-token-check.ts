import { objectKeyOf } from '#mesh/config-object.ts'
import type { JwtRule } from '#mesh/config/request-authentication.ts'
import { readPublicKeys } from '#mesh/config/schema/json-web-keys.ts'
import { parseKeySet, toServedKeySet } from '#mesh/security/key-set.ts'
import { toKeySource } from '#mesh/security/key-source.ts'
import {
  findRequestAuthentications,
  type RequestAuthentication,
  type TokenKey,
} from '#mesh/security/select-request-authentications.ts'
import type { MeshView } from '#mesh/view.ts'
import type { TokenCheck, TokenPlace, TokenRule } from '#xds/model/token-check.ts'
import type { Report } from './report.ts'

/** Istio reference: JWTRule: where a token is looked for that is not said to be anywhere else. */
const defaultPlaces: readonly TokenPlace[] = [
  { kind: 'header', name: 'authorization', prefix: 'Bearer ' },
  { kind: 'parameter', name: 'access_token' },
]
/** Istio reads these as lists always. */
const spaceDelimitedClaims = ['scope', 'permission']

/** Places of all rules of a workload together: each is looked at by a provider of its own, with the rule's keys. */
const maxPlaces = 512
/** What those keys come to: there is more room than hundreds of issuers need. */
const maxKeyCharacters = 4 * 1024 * 1024
/** Different places, where rules look at too many: each is a condition that all requests are held against. */
const maxRefusedPlaces = 2 * maxPlaces

/** What a workload asks of tokens: each object's rules, and a rule that several say once. */
export const compileTokenCheck = (
  view: Pick<MeshView, 'requestAuthentications' | 'fetchedKeys'>,
  key: TokenKey,
  report: Report,
): TokenCheck => {
  const objects = findRequestAuthentications(view, key)
  const names = [...new Set(objects.map(objectKeyOf))]
  const rules = objects.flatMap((object) =>
    object.spec.jwtRules.map((rule, index) => compileRule(view, object, { rule, index }, report)),
  )
  const distinct = toDistinct(rules)
  const fault = findExcess(distinct)
  if (fault === undefined) return { rules: distinct, objects: names }
  const places = toDistinct(distinct.flatMap((rule) => rule.places))
  const isTooMuch = places.length > maxRefusedPlaces
  const last = objects.at(-1)
  if (last)
    report(
      objectKeyOf(last),
      `spec.jwtRules: the rules of a workload ${fault}: every ${isTooMuch ? 'request' : 'token there'} is refused`,
    )
  if (isTooMuch) return { rules: [], objects: names, refusesAll: true }
  return { rules: [{ ...closedRule, places }], objects: names }
}

/** Those that say the same once. */
const toDistinct = <Item>(items: readonly Item[]): readonly Item[] => [
  ...new Map(items.map((item) => [JSON.stringify(item), item])).values(),
]

/** What of it is more than a proxy is given. */
const findExcess = (rules: readonly TokenRule[]): string | undefined => {
  if (rules.reduce((sum, { places }) => sum + places.length, 0) > maxPlaces)
    return `look at more than ${maxPlaces} places together`
  if (rules.reduce((sum, { places, jwks }) => sum + places.length * jwks.length, 0) > maxKeyCharacters)
    return `have more than ${maxKeyCharacters / 1024 / 1024} MiB of keys, said for each place that they look at`
  return undefined
}

/** By which no token is right. */
const closedRule = {
  issuer: 'refused.invalid',
  audiences: [],
  jwks: toServedKeySet(undefined),
  isForwarded: false,
  claimHeaders: [],
  spaceDelimitedClaims: [],
}

const compileRule = (
  view: Pick<MeshView, 'fetchedKeys'>,
  object: RequestAuthentication,
  { rule, index }: { readonly rule: JwtRule; readonly index: number },
  report: Report,
): TokenRule => ({
  ...(rule.issuer !== undefined && { issuer: rule.issuer }),
  audiences: rule.audiences ?? [],
  jwks: compileKeys(view, rule, (message) => report(objectKeyOf(object), `spec.jwtRules[${index}].jwks: ${message}`)),
  places: toPlaces(rule),
  isForwarded: rule.forwardOriginalToken,
  ...(rule.outputPayloadToHeader !== undefined && { payloadHeader: rule.outputPayloadToHeader }),
  claimHeaders: toClaimHeaders(rule),
  spaceDelimitedClaims: [...new Set([...spaceDelimitedClaims, ...(rule.spaceDelimitedClaims ?? [])])],
})

/** Of issuers whose keys nobody knows no token is right. */
const compileKeys = (view: Pick<MeshView, 'fetchedKeys'>, rule: JwtRule, report: (message: string) => void): string => {
  if (rule.jwks === undefined) {
    const source = toKeySource(rule)
    return toServedKeySet(source && view.fetchedKeys(source.url))
  }
  const keys = readPublicKeys(rule.jwks)
  // That there is none was said of the object itself.
  if (keys.length === 0) return toServedKeySet(undefined)
  const parsed = parseKeySet(JSON.stringify({ keys }))
  for (const warning of parsed.ok ? parsed.value.warnings : [`${parsed.error}: every token of it is refused`])
    report(warning)
  return toServedKeySet(parsed.ok ? parsed.value.jwks : undefined)
}

const toPlaces = ({ fromHeaders = [], fromParams = [], fromCookies = [] }: JwtRule): readonly TokenPlace[] => {
  const places: readonly TokenPlace[] = [
    ...fromHeaders.map(({ name, prefix }) => ({ kind: 'header' as const, name: name.toLowerCase(), prefix })),
    ...fromParams.map((name) => ({ kind: 'parameter' as const, name })),
    ...fromCookies.map((name) => ({ kind: 'cookie' as const, name })),
  ]
  return places.length > 0 ? places : defaultPlaces
}

/** Of one header the last claim. */
const toClaimHeaders = ({ outputClaimToHeaders = [] }: JwtRule): TokenRule['claimHeaders'] => [
  ...new Map(outputClaimToHeaders.map(({ header, claim }) => [header.toLowerCase(), { header, claim }])).values(),
]
