import type { Permission, Policy, Principal, RBAC } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { MetadataSource } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import type { CidrRange } from '#envoy/envoy/config/core/v3/address_pb.ts'
import type { HeaderMatcher } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { UriTemplateMatchConfigSchema } from '#envoy/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.ts'
import type { PathMatcher } from '#envoy/envoy/type/matcher/v3/path_pb.ts'
import type { StringMatcher } from '#envoy/envoy/type/matcher/v3/string_pb.ts'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { isInBlock } from '#xds/compile/ip-address.ts'
import { readHeader, type JudgedCall } from './judged-call.ts'
import { matchesTemplate } from './match-template.ts'
import { matchesText } from './match-text.ts'
import { matchesMetadata } from './match-value.ts'
import { all, isUnknown, not, notKnown, some, type Truth } from './truth.ts'

/** Which of a filter's rules match a call. */
export interface MatchedRules {
  /** Whether one does. */
  readonly matches: Truth
  /** The one that Envoy names, which is the first by name; of those that may match, where that is not known. */
  readonly rule?: string
}

export const judgeRules = (rules: Rules, call: JudgedCall): MatchedRules => {
  if (rules.matcher || rules.policyMatcher) return { matches: notKnown('what its matcher says') }
  const judged = judgeEachRule(rules, call)
  const sure = judged.find(({ matches }) => matches === true)
  const found = sure ?? judged.find(({ matches }) => isUnknown(matches))
  return { matches: some(judged.map(({ matches }) => matches)), ...(found && { rule: found.name }) }
}

/** Each of them, by name. */
export const judgeEachRule = (
  { policies }: Rules,
  call: JudgedCall,
): readonly { readonly name: string; readonly matches: Truth }[] =>
  Object.entries(policies)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, policy]) => {
      const matches = matchesPolicy(policy, call)
      return { name, matches: isUnknown(matches) ? (call.learned?.(name) ?? matches) : matches }
    })

/** What of a filter's rules is judged by; a matcher in their place is not looked into. */
export type Rules = Pick<RBAC, 'policies'> & { readonly matcher?: unknown; readonly policyMatcher?: unknown }

const matchesPolicy = (policy: Policy, call: JudgedCall): Truth => {
  const { permissions, principals, condition, checkedCondition } = policy
  return all([
    some(principals.map((each) => matchesPrincipal(each, call))),
    some(permissions.map((each) => matchesPermission(each, call))),
    ...(condition || checkedCondition ? [notKnown('what its condition says')] : []),
  ])
}

const matchesPrincipal = (principal: Principal, call: JudgedCall): Truth => {
  const { case: kind, value } = principal.identifier
  switch (kind) {
    case 'any':
      return value
    case 'notId':
      return not(matchesPrincipal(value, call))
    case 'andIds':
      return all(value.ids.map((each) => matchesPrincipal(each, call)))
    case 'orIds':
      return some(value.ids.map((each) => matchesPrincipal(each, call)))
    case 'authenticated':
      return matchesPeer(value.principalName, call.peer)
    case 'directRemoteIp':
      return matchesAddress(value, call.connectedFrom, 'source address')
    case 'remoteIp':
      return matchesAddress(value, call.clientAddress, 'client address')
    case 'header':
      return matchesHeader(value, call)
    case 'urlPath':
      return matchesPath(value, call)
    case 'sourcedMetadata':
      return value.metadataSource === MetadataSource.DYNAMIC
        ? matchesMetadata(value.metadataMatcher, call.request)
        : notKnown('metadata')
    default:
      return notKnown(kind ?? 'principal')
  }
}

const matchesPermission = (permission: Permission, call: JudgedCall): Truth => {
  const { case: kind, value } = permission.rule
  switch (kind) {
    case 'any':
      return value
    case 'notRule':
      return not(matchesPermission(value, call))
    case 'andRules':
      return all(value.rules.map((each) => matchesPermission(each, call)))
    case 'orRules':
      return some(value.rules.map((each) => matchesPermission(each, call)))
    case 'header':
      return matchesHeader(value, call)
    case 'urlPath':
      return matchesPath(value, call)
    case 'destinationIp':
      return matchesAddress(value, call.address, 'address')
    case 'destinationPort':
      return call.port === undefined ? notKnown('port') : call.port === value
    case 'destinationPortRange':
      return call.port === undefined ? notKnown('port') : call.port >= value.start && call.port < value.end
    case 'requestedServerName':
      return call.serverName === undefined ? notKnown('SNI') : matchesText(value, call.serverName)
    case 'uriTemplate': {
      const config = value.typedConfig && anyUnpack(value.typedConfig, UriTemplateMatchConfigSchema)
      if (!config) return notKnown(value.name)
      return ofPath(call, (path) => matchesTemplate(config.pathTemplate, path))
    }
    case 'sourcedMetadata':
      return value.metadataSource === MetadataSource.DYNAMIC
        ? matchesMetadata(value.metadataMatcher, call.request)
        : notKnown('metadata')
    default:
      return notKnown(kind ?? 'permission')
  }
}

/** How what the compiler asks of names begins: those of accounts and those of clusters. */
const ofAccounts = 'spiffe://'
const ofClusters = '(?:[a-z0-9._-]+.)?'

/** Beside these names Envoy looks at the subject of a certificate, of which nothing is known here: what may mean it is not known. */
const matchesPeer = (matcher: StringMatcher | undefined, peer: JudgedCall['peer']): Truth => {
  if (peer === 'nobody') return false
  if (!peer) return notKnown('caller')
  if (!matcher) return true
  const { spiffeId, dnsName } = peer
  if (matchesText(matcher, spiffeId) || (dnsName !== undefined && matchesText(matcher, dnsName))) return true
  const { case: kind, value } = matcher.matchPattern
  const begins =
    kind === 'safeRegex' ? value.regex.replaceAll('\\', '') : kind === 'exact' || kind === 'prefix' ? value : ''
  if (begins.startsWith(ofAccounts)) return false
  if (!begins.startsWith(ofClusters)) return notKnown('subject of the certificate')
  return dnsName === undefined ? notKnown("caller's cluster") : false
}

const matchesAddress = (block: CidrRange, address: string | undefined, name: string): Truth =>
  address === undefined ? notKnown(name) : isInBlock(address, block)

/** Without its query, as both kinds of matchers take it. */
const ofPath = ({ request }: JudgedCall, matches: (path: string) => boolean): Truth => {
  if (!request) return false
  return request.path === undefined ? notKnown('path') : matches(request.path.replace(/[?#].*$/s, ''))
}

const matchesPath = ({ rule }: PathMatcher, call: JudgedCall): Truth =>
  ofPath(call, (path) => rule.case === 'path' && matchesText(rule.value, path))

/** Connections have no headers. */
const matchesHeader = (matcher: HeaderMatcher, { request }: JudgedCall): Truth => {
  const { headerMatchSpecifier: wanted, invertMatch, treatMissingHeaderAsEmpty } = matcher
  const name = matcher.name.toLowerCase()
  const found = request ? readHeader(request, name) : { known: true as const, value: undefined }
  if (!found.known) return notKnown(name.startsWith(':') ? name.slice(1) : `header ${name}`)
  const { value } = found
  if (wanted.case === undefined) return (value !== undefined) !== invertMatch
  if (wanted.case === 'presentMatch') return ((value !== undefined) === wanted.value) !== invertMatch
  if (value === undefined && !treatMissingHeaderAsEmpty) return false
  return wanted.case === 'stringMatch'
    ? matchesText(wanted.value, value ?? '') !== invertMatch
    : notKnown(`header ${name}`)
}
