import { create } from '@bufbuild/protobuf'
import {
  RateLimit_ActionSchema,
  RateLimitSchema,
  type RateLimit,
  type RateLimit_Action,
} from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { DescriptorSchema } from '#envoy/envoy/extensions/rate_limit_descriptors/expr/v3/expr_pb.ts'
import type { LimitKey, RequestLimit } from '#xds/model/request-limit.ts'
import { toAny } from './any.ts'
import { buildHeaderMatch } from './build-route-match.ts'

/** Of the entry that names the limit. */
export const limitKey = 'limit'
/** That of an address is Envoy's. */
export const toKeyName = ({ kind }: LimitKey, index: number): string =>
  kind === 'address' ? 'remote_address' : `${kind}${index}`

/** Of a request that a limit is about they make a descriptor: which limit it is, and what its requests are told apart by. */
export const buildDescribed = ({ id, match, by }: Pick<RequestLimit, 'id' | 'match' | 'by'>): RateLimit =>
  create(RateLimitSchema, { actions: [buildSelection(id, match), ...by.map(buildKey)] })

const buildSelection = (id: string, match: RequestLimit['match']): RateLimit_Action =>
  create(RateLimit_ActionSchema, {
    actionSpecifier:
      match.length === 0
        ? { case: 'genericKey', value: { descriptorKey: limitKey, descriptorValue: id } }
        : {
            case: 'headerValueMatch',
            value: { descriptorKey: limitKey, descriptorValue: id, headers: match.map(buildHeaderMatch) },
          },
  })

/** Expressions, where Envoy has actions too: without what they ask for those make no descriptor, and nothing would be counted. */
const buildKey = (key: LimitKey, index: number): RateLimit_Action =>
  create(RateLimit_ActionSchema, {
    actionSpecifier:
      key.kind === 'address'
        ? { case: 'remoteAddress', value: {} }
        : {
            case: 'extension',
            value: {
              name: 'envoy.rate_limit_descriptors.expr',
              typedConfig: toAny(DescriptorSchema, {
                descriptorKey: toKeyName(key, index),
                exprSpecifier: { case: 'text', value: toExpression(key) },
              }),
            },
          },
  })

const nothing = '""'

/** In CEL. */
const toExpression = (key: Exclude<LimitKey, { kind: 'address' }>): string => {
  switch (key.kind) {
    case 'principal':
      return `connection.mtls ? connection.uri_san_peer_certificate : ${nothing}`
    case 'header':
      return toMember('request.headers', [key.name.toLowerCase()])
    case 'method':
      return 'request.method'
    case 'path':
      return 'request.url_path'
    case 'claim':
      return toMember('metadata.filter_metadata', ['envoy.filters.http.jwt_authn', 'payload', ...key.path])
  }
}

/** A text in maps within maps. What is in a text or a number is an error, and counts nothing: so it is asked what each of them is. */
const toMember = (map: string, path: readonly string[]): string => {
  const toPath = (length: number): string => `${map}${path.slice(0, length).map(toIndex).join('')}`
  const isThere = path.flatMap((name, index) => [
    ...(index > 0 ? [`type(${toPath(index)}) == map`] : []),
    `${JSON.stringify(name)} in ${toPath(index)}`,
  ])
  const member = toPath(path.length)
  return `${[...isThere, `type(${member}) == string`].join(' && ')} ? ${member} : ${nothing}`
}

const toIndex = (name: string): string => `[${JSON.stringify(name)}]`
