import { z } from 'zod'
import { isFields } from '../is-fields.ts'
import type { KindDefinition, Report } from './kind-definition.ts'
import { positiveDuration } from './schema/duration.ts'
import { isHeaderName } from './schema/header-operations.ts'
import { findPrivateKeys, jsonWebKeysFault, readPublicKeys } from './schema/json-web-keys.ts'
import { checked, message, optionalText, setFields } from './schema/message.ts'
import { isOneTarget, policyTargetFields } from './schema/policy-target.ts'
import { checkSecurityObject, istioSecurity, toClosedTarget } from './schema/security-object.ts'
import { text, valuesOf } from './schema/value-pattern.ts'

const headerName = checked(text.max(256), ({ value, report }) => {
  if (!isHeaderName(value)) report('is not a header name')
})

/** Of claims; Istio takes letters, digits, "-" and "_" alone here. */
const claimHeaderName = text.max(256).regex(/^[-_A-Za-z0-9]+$/, 'is not a header name')

const authority = /^https?:\/\/([^/?#\\]*)/i
const host = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?\.?)(?::(\d{1,5}))?$/

const jwksUri = checked(z.string().max(2048), ({ value, report }) => {
  const found = authority.exec(value)?.[1]
  if (found === undefined) return report('must be a URL of https:// or http://')
  if (/[^!-~]/.test(value)) return report('has characters that are none of a URL')
  if (found.includes('@')) return report('must not hold credentials')
  const [matched, port = '443'] = host.exec(found) ?? []
  if (matched === undefined || Number(port) < 1 || Number(port) > 65_535) report('names no host')
})

const jwks = checked(z.string(), ({ value, report }) => {
  const fault = jsonWebKeysFault(value)
  if (fault !== undefined) report(fault)
})

/** Entries of one list of a rule: more than any issuer needs. */
const maxEntries = 256
const names = valuesOf(text, maxEntries)

const locations = {
  fromHeaders: valuesOf(message({ name: headerName, prefix: z.string().max(256).default('') }), maxEntries),
  fromParams: names,
  fromCookies: names,
}

const jwtRule = checked(
  message({
    issuer: optionalText(text),
    audiences: names,
    jwksUri: optionalText(jwksUri),
    /** The same by its name in protobuf; `jwksUriOf` reads both. */
    jwks_uri: optionalText(jwksUri),
    jwks: optionalText(jwks),
    ...locations,
    outputPayloadToHeader: optionalText(headerName),
    forwardOriginalToken: z.boolean().default(false),
    outputClaimToHeaders: valuesOf(message({ header: claimHeaderName, claim: text }), maxEntries),
    timeout: positiveDuration.optional(),
    /** Beside `scope` and `permission`, which always are. */
    spaceDelimitedClaims: valuesOf(text, 64),
  }),
  ({ value, report }) => {
    if (setFields(value, ['jwksUri', 'jwks_uri', 'jwks']).length > 1) report('takes one of jwksUri, jwks')
    if (value.issuer === undefined && jwksUriOf(value) === undefined) report('needs an issuer or a jwksUri', ['issuer'])
  },
)
export type JwtRule = z.output<typeof jwtRule>

/** Where an issuer's keys are fetched, as far as the rule says that. */
export const jwksUriOf = ({ jwksUri: uri, jwks_uri: alias }: Pick<JwtRule, 'jwksUri' | 'jwks_uri'>) => uri ?? alias

/** Istio reference: RequestAuthentication. */
const requestAuthenticationSpec = checked(
  message({ ...policyTargetFields, jwtRules: z.array(jwtRule).max(4096).default([]) }),
  ({ value, report }) => {
    if (!isOneTarget(value)) report('takes one of selector, targetRef, targetRefs')
  },
)
export type RequestAuthenticationSpec = z.output<typeof requestAuthenticationSpec>

/** A set of keys by which no token is right. */
const noKeys = '{"keys":[]}'

/** Refuses every token where a rule looks for one. */
const toClosedRule = (rule: unknown) => {
  const { data = {} } = z.object(locations).safeParse(rule)
  return { issuer: 'refused.invalid', jwks: noKeys, ...data }
}

export const requestAuthentication: KindDefinition<RequestAuthenticationSpec> = {
  ...istioSecurity,
  kind: 'RequestAuthentication',
  plural: 'requestauthentications',
  schema: requestAuthenticationSpec,
  closed(spec) {
    const rules = isFields(spec) && Array.isArray(spec['jwtRules']) ? spec['jwtRules'].slice(0, maxEntries) : []
    return { ...toClosedTarget(spec), jwtRules: (rules.length > 0 ? rules : [{}]).map(toClosedRule) }
  },
  check(object, report: Report) {
    checkSecurityObject(object, report)
    for (const [index, rule] of object.spec.jwtRules.entries()) {
      const warn = (path: readonly PropertyKey[], message: string) =>
        report(['spec', 'jwtRules', index, ...path], message, { severity: 'warning' })
      warnOfKeys(rule, warn)
      const headers = (rule.outputClaimToHeaders ?? []).map(({ header }) => header.toLowerCase())
      for (const [place, header] of headers.entries())
        if (headers.indexOf(header) < place)
          warn(['outputClaimToHeaders', place, 'header'], 'has another claim already: the last one is in it')
    }
  },
}

const warnOfKeys = (rule: JwtRule, warn: (path: readonly PropertyKey[], message: string) => void): void => {
  const { issuer = '', jwks: keys } = rule
  if (keys === undefined) {
    if (jwksUriOf(rule) === undefined && !authority.test(issuer))
      warn(['issuer'], 'is no URL whose keys could be found: without jwks or jwksUri every token of it is refused')
    return
  }
  for (const key of findPrivateKeys(keys))
    warn(['jwks'], `key ${key} holds its private half, by which anybody makes tokens: only public keys are used`)
  if (readPublicKeys(keys).length === 0) warn(['jwks'], 'has no key: every token of it is refused')
}
