import { create } from '@bufbuild/protobuf'
import { CidrRangeSchema, type CidrRange } from '#envoy/envoy/config/core/v3/address_pb.ts'
import {
  MetadataSource,
  PermissionSchema,
  PrincipalSchema,
  SourcedMetadataSchema,
  type Permission,
  type Principal,
  type SourcedMetadata,
} from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { HeaderMatcherSchema, type HeaderMatcher } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { UriTemplateMatchConfigSchema } from '#envoy/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.ts'
import { StringMatcherSchema, type StringMatcher } from '#envoy/envoy/type/matcher/v3/string_pb.ts'
import { ValueMatcherSchema, type ValueMatcher } from '#envoy/envoy/type/matcher/v3/value_pb.ts'
import type { AccessText, CalledFact, CallerFact, Condition } from '#xds/model/access.ts'
import { toAny } from './any.ts'
import type { MessageFields } from './message-fields.ts'

/** Where jwt_authn notes the claims of the token that it has verified. */
export const verifiedToken = { filter: 'envoy.filters.http.jwt_authn', key: 'payload' } as const

export const buildPrincipal = (condition: Condition<CallerFact>): Principal =>
  create(PrincipalSchema, { identifier: buildIdentifier(condition) })

const buildIdentifier = (condition: Condition<CallerFact>): Identifier => {
  switch (condition.kind) {
    case 'any':
      return { case: 'any', value: true }
    case 'not':
      return { case: 'notId', value: buildPrincipal(condition.of) }
    case 'all':
      return { case: 'andIds', value: { ids: condition.of.map(buildPrincipal) } }
    case 'one':
      return { case: 'orIds', value: { ids: condition.of.map(buildPrincipal) } }
    case 'fact':
      return buildCallerFact(condition.fact)
  }
}
type Identifier = NonNullable<MessageFields<typeof PrincipalSchema>['identifier']>

const buildCallerFact = (fact: CallerFact): Identifier => {
  switch (fact.kind) {
    case 'peer':
      // It looks at DNS names and the subject too: neither begins as a SPIFFE ID does. `mtls_authenticated` matches nobody whose TLS session is resumed (1.40).
      return { case: 'authenticated', value: { principalName: buildText(fact.text) } }
    case 'peer-name':
      return { case: 'authenticated', value: { principalName: buildText(fact.text) } }
    case 'connected-from':
      return { case: 'directRemoteIp', value: buildBlock(fact.block) }
    case 'client-address':
      return { case: 'remoteIp', value: buildBlock(fact.block) }
    case 'header':
      return { case: 'header', value: buildHeader(fact.name, fact.text) }
    case 'claim': {
      const { filter, key } = verifiedToken
      const value = buildValue(fact.text)
      const either = create(ValueMatcherSchema, {
        matchPattern: { case: 'orMatch', value: { valueMatchers: [value, toListed(value)] } },
      })
      return { case: 'sourcedMetadata', value: buildMetadata(filter, [key, ...fact.path], either) }
    }
  }
}

export const buildPermission = (condition: Condition<CalledFact>): Permission =>
  create(PermissionSchema, { rule: buildRule(condition) })

const buildRule = (condition: Condition<CalledFact>): Rule => {
  switch (condition.kind) {
    case 'any':
      return { case: 'any', value: true }
    case 'not':
      return { case: 'notRule', value: buildPermission(condition.of) }
    case 'all':
      return { case: 'andRules', value: { rules: condition.of.map(buildPermission) } }
    case 'one':
      return { case: 'orRules', value: { rules: condition.of.map(buildPermission) } }
    case 'fact':
      return buildCalledFact(condition.fact)
  }
}
type Rule = NonNullable<MessageFields<typeof PermissionSchema>['rule']>

const buildCalledFact = (fact: CalledFact): Rule => {
  switch (fact.kind) {
    case 'host':
      return { case: 'header', value: buildHeader(':authority', fact.text, true) }
    case 'method':
      return { case: 'header', value: buildHeader(':method', fact.text) }
    case 'path':
      return { case: 'urlPath', value: { rule: { case: 'path', value: buildText(fact.text) } } }
    case 'path-template':
      return {
        case: 'uriTemplate',
        value: {
          name: 'envoy.path.match.uri_template.uri_template_matcher',
          typedConfig: toAny(UriTemplateMatchConfigSchema, { pathTemplate: fact.template }),
        },
      }
    case 'port':
      return { case: 'destinationPort', value: fact.port }
    case 'address':
      return { case: 'destinationIp', value: buildBlock(fact.block) }
    case 'server-name':
      return { case: 'requestedServerName', value: buildText(fact.text) }
    case 'metadata': {
      const value = buildValue(fact.text)
      return {
        case: 'sourcedMetadata',
        value: buildMetadata(fact.filter, [fact.key], fact.isListed ? toListed(value) : value),
      }
    }
  }
}

/** Any text but an empty one, also one of several lines. */
const anyText = '(?s).+'

const buildText = (text: AccessText, ignoreCase = false): StringMatcher => {
  const found: AccessText = text.kind === 'present' ? { kind: 'regex', text: anyText } : text
  return create(StringMatcherSchema, {
    matchPattern:
      found.kind === 'regex'
        ? { case: 'safeRegex', value: { regex: found.text } }
        : { case: found.kind, value: found.text },
    ignoreCase,
  })
}

const buildHeader = (name: string, text: AccessText, ignoreCase = false): HeaderMatcher =>
  create(HeaderMatcherSchema, {
    name,
    headerMatchSpecifier:
      text.kind === 'present'
        ? { case: 'presentMatch', value: true }
        : { case: 'stringMatch', value: buildText(text, ignoreCase) },
  })

const buildValue = (text: AccessText): ValueMatcher =>
  create(ValueMatcherSchema, { matchPattern: { case: 'stringMatch', value: buildText(text) } })

const toListed = (value: ValueMatcher): ValueMatcher =>
  create(ValueMatcherSchema, {
    matchPattern: { case: 'listMatch', value: { matchPattern: { case: 'oneOf', value } } },
  })

const buildMetadata = (filter: string, path: readonly string[], value: ValueMatcher): SourcedMetadata =>
  create(SourcedMetadataSchema, {
    metadataMatcher: { filter, path: path.map((key) => ({ segment: { case: 'key' as const, value: key } })), value },
    metadataSource: MetadataSource.DYNAMIC,
  })

/** "10.0.0.0/8"; a single address is a block of its own. */
const buildBlock = (block: string): CidrRange => {
  const [addressPrefix = '', length = addressPrefix.includes(':') ? '128' : '32'] = block.split('/')
  return create(CidrRangeSchema, { addressPrefix, prefixLen: Number(length) })
}
