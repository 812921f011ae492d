import { create } from '@bufbuild/protobuf'
import {
  HeaderMatcherSchema,
  QueryParameterMatcherSchema,
  RouteMatchSchema,
  type HeaderMatcher,
  type QueryParameterMatcher,
  type RouteMatch as EnvoyRouteMatch,
} from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { MetadataMatcherSchema, type MetadataMatcher } from '#envoy/envoy/type/matcher/v3/metadata_pb.ts'
import { StringMatcherSchema, type StringMatcher } from '#envoy/envoy/type/matcher/v3/string_pb.ts'
import { ValueMatcherSchema } from '#envoy/envoy/type/matcher/v3/value_pb.ts'
import type { ClaimMatch, HeaderMatch, PathMatch, RouteMatch, TextMatch, ValueMatch } from '#xds/model/virtual-host.ts'
import { verifiedToken } from './build-conditions.ts'
import type { MessageFields } from './message-fields.ts'

export const buildRouteMatch = ({ path, headers, queryParameters, claims = [] }: RouteMatch): EnvoyRouteMatch =>
  create(RouteMatchSchema, {
    ...(path.kind === 'connect' ? { pathSpecifier: { case: 'connectMatcher', value: {} } } : buildPathMatch(path)),
    headers: headers.map(buildHeaderMatch),
    queryParameters: queryParameters.map(({ name, value }) => buildQueryParameterMatch(name, value)),
    dynamicMetadata: claims.map(buildClaimMatch),
  })

/** The route is selected once more when the token has been verified (`buildTokenFilter`). */
const buildClaimMatch = ({ path, value, isInverted }: ClaimMatch): MetadataMatcher =>
  create(MetadataMatcherSchema, {
    filter: verifiedToken.filter,
    path: [verifiedToken.key, ...path].map((key) => ({ segment: { case: 'key' as const, value: key } })),
    value: {
      matchPattern:
        value.kind === 'present' ? { case: 'presentMatch', value: true } : { case: 'orMatch', value: eitherOf(value) },
    },
    invert: isInverted,
  })

/** A text, or a list with one like it. */
const eitherOf = (text: TextMatch) => {
  const one = create(ValueMatcherSchema, { matchPattern: { case: 'stringMatch', value: buildTextMatch(text) } })
  return {
    valueMatchers: [
      one,
      create(ValueMatcherSchema, {
        matchPattern: { case: 'listMatch', value: { matchPattern: { case: 'oneOf', value: one } } },
      }),
    ],
  }
}

const buildPathMatch = ({ kind, text, ignoresCase }: PathMatch): MessageFields<typeof RouteMatchSchema> => {
  const caseSensitive = ignoresCase ? { caseSensitive: false } : {}
  switch (kind) {
    case 'exact':
      return { pathSpecifier: { case: 'path', value: text }, ...caseSensitive }
    case 'prefix':
      return { pathSpecifier: { case: 'prefix', value: text }, ...caseSensitive }
    case 'regex':
      return { pathSpecifier: { case: 'safeRegex', value: { regex: text } }, ...caseSensitive }
  }
}

export const buildHeaderMatch = ({ name, value, isInverted }: HeaderMatch): HeaderMatcher => {
  const invertMatch = isInverted ? { invertMatch: true } : {}
  if (value.kind === 'present') {
    return create(HeaderMatcherSchema, {
      name,
      headerMatchSpecifier: { case: 'presentMatch', value: true },
      ...invertMatch,
    })
  }
  return create(HeaderMatcherSchema, {
    name,
    headerMatchSpecifier: { case: 'stringMatch', value: buildTextMatch(value) },
    ...invertMatch,
    // An absent header has not the value that an inverted match refuses.
    ...(isInverted && { treatMissingHeaderAsEmpty: true }),
  })
}

const buildQueryParameterMatch = (name: string, value: ValueMatch): QueryParameterMatcher =>
  create(QueryParameterMatcherSchema, {
    name,
    queryParameterMatchSpecifier:
      value.kind === 'present'
        ? { case: 'presentMatch', value: true }
        : { case: 'stringMatch', value: buildTextMatch(value) },
  })

export const buildTextMatch = ({ kind, text }: TextMatch): StringMatcher =>
  create(StringMatcherSchema, {
    matchPattern: kind === 'regex' ? { case: 'safeRegex', value: { regex: text } } : { case: kind, value: text },
  })
