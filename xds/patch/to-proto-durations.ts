import type { DescMessage } from '@bufbuild/protobuf'
import { toProtoDuration } from '#mesh/config/schema/duration.ts'
import { isFields } from '#mesh/is-fields.ts'
import { knownTypes } from '#xds/known-types.ts'

const wellKnown = 'google.protobuf.'

/**
 * A message in JSON with its durations as protobuf's JSON has them. Istio reads the values of an EnvoyFilter's patches with a decoder that takes Go's notation
 * too: "500ms".
 */
export const toProtoDurations = (schema: DescMessage, value: unknown): unknown => {
  if (schema.typeName === 'google.protobuf.Duration')
    return typeof value === 'string' ? (toProtoDuration(value) ?? value) : value
  if (!isFields(value)) return value
  const type = schema.typeName === 'google.protobuf.Any' ? toHeld(value) : schema
  // Others of these are written in JSON of their own.
  if (type === undefined || type.typeName.startsWith(wellKnown)) return value
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
