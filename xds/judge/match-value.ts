import type { JsonValue } from '@bufbuild/protobuf'
import type { MetadataMatcher } from '#envoy/envoy/type/matcher/v3/metadata_pb.ts'
import type { ValueMatcher } from '#envoy/envoy/type/matcher/v3/value_pb.ts'
import { isFields } from '#mesh/is-fields.ts'
import { verifiedToken } from '#xds/build/build-conditions.ts'
import { matchesText } from './match-text.ts'
import type { JudgedRequest } from './judged-call.ts'
import { notKnown, type Truth } from './truth.ts'

/** Envoy: MetadataMatcher. What filters have noted but that of tokens is not known. */
export const matchesMetadata = (matcher: MetadataMatcher | undefined, request: JudgedRequest | undefined): Truth => {
  if (!matcher?.value) return notKnown('metadata')
  const keys = matcher.path.map(({ segment }) => (segment.case === 'key' ? segment.value : ''))
  const [first, ...path] = keys
  if (matcher.filter !== verifiedToken.filter || first !== verifiedToken.key)
    return notKnown(`what ${matcher.filter} notes as ${keys.join('.')}`)
  if (request && request.claims === undefined) return notKnown(`claim ${path.join('.')}`)
  return matchesValue(matcher.value, walk(request?.claims, path)) !== matcher.invert
}

/** Undefined: there is nothing. Lists end a path. */
const walk = (value: JsonValue | undefined, path: readonly string[]): JsonValue | undefined =>
  path.reduce<JsonValue | undefined>(
    (inner, key) => (isFields(inner) && Object.hasOwn(inner, key) ? inner[key] : undefined),
    value,
  )

/** Envoy: ValueMatcher. */
const matchesValue = ({ matchPattern: wanted }: ValueMatcher, value: JsonValue | undefined): boolean => {
  switch (wanted.case) {
    case 'stringMatch':
      return typeof value === 'string' && matchesText(wanted.value, value)
    case 'boolMatch':
      return value === wanted.value
    case 'nullMatch':
      return value === null
    case 'presentMatch':
      return (value !== undefined && value !== null) === wanted.value
    case 'orMatch':
      return wanted.value.valueMatchers.some((each) => matchesValue(each, value))
    case 'listMatch': {
      const { case: kind, value: inner } = wanted.value.matchPattern
      return kind === 'oneOf' && Array.isArray(value) && value.some((each) => matchesValue(inner, each))
    }
    case 'doubleMatch': {
      const { case: kind, value: number } = wanted.value.matchPattern
      if (typeof value !== 'number') return false
      return kind === 'exact' ? value === number : kind === 'range' && value >= number.start && value < number.end
    }
    case undefined:
      return false
  }
}
