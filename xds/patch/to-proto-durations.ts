import type { DescMessage } from '@bufbuild/protobuf'
import { toProtoDuration } from '#mesh/config/schema/duration.ts'
import { isFields } from '#mesh/is-fields.ts'
import { knownTypes } from '#xds/known-types.ts'

const wellKnown = 'google.protobuf.'

/** What comes after the "s" would not be looked at. */
const protoDuration = /^-?\d+(?:\.\d{1,9})?s$/

/**
 * A message in JSON with its durations as protobuf's JSON has them. Istio reads the values of an EnvoyFilter's patches
 * with a decoder that takes Go's notation too: "500ms". Throws for text that is no duration.
 */
export const toProtoDurations = (schema: DescMessage, value: unknown): unknown => {
  if (schema.typeName === 'google.protobuf.Duration') return typeof value === 'string' ? toDuration(value) : value
  if (!isFields(value)) return value
  const isAny = schema.typeName === 'google.protobuf.Any'
  const type = isAny ? toHeld(value) : schema
  if (type === undefined) return value
  // These are written in JSON of their own, which an Any has in one field.
  if (type.typeName.startsWith(wellKnown))
    return isAny && Object.hasOwn(value, 'value') ? { ...value, value: toProtoDurations(type, value.value) } : value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      toField(
        type.fields.find((field) => field.name === name || field.jsonName === name),
        each,
      ),
    ]),
  )
}

const toDuration = (text: string): string => {
  const read = protoDuration.test(text) ? text : toProtoDuration(text)
  if (read === undefined) throw new Error(`${JSON.stringify(text)} is not a duration such as "0.5s"`)
  return read
}

const toHeld = ({ '@type': url }: Readonly<Record<string, unknown>>): DescMessage | undefined =>
  typeof url === 'string' ? knownTypes.getMessage(url.slice(url.lastIndexOf('/') + 1)) : undefined

const toField = (field: DescMessage['fields'][number] | undefined, value: unknown): unknown => {
  const { message } = field ?? {}
  if (!field || !message) return value
  if (field.fieldKind === 'list' && Array.isArray(value)) return value.map((each) => toProtoDurations(message, each))
  if (field.fieldKind === 'map' && isFields(value))
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, toProtoDurations(message, each)]))
  return toProtoDurations(message, value)
}
