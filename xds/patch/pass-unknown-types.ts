import { closestName } from '#mesh/config/schema/closest-name.ts'
import { knownTypes } from '#xds/known-types.ts'

/** A type that an `Any` of a patch names and that can't be, with the reason. */
export interface WrongType {
  readonly type: string
  readonly message: string
}

export interface PassedValue {
  readonly value: unknown
  /** The types that Envoy has to know: Atoll does not. */
  readonly passed: readonly string[]
  readonly wrong: readonly WrongType[]
}

/** xds/type/v3/typed_struct.proto: Envoy makes the message of it itself. */
const typedStruct = 'type.googleapis.com/xds.type.v3.TypedStruct'

/** Writes each `Any` of a type that is not known here so that Envoy reads it: as the type's name and its fields. */
export const passUnknownTypes = (value: unknown): PassedValue => {
  const passed: string[] = []
  const wrong: WrongType[] = []
  const pass = (each: unknown): unknown => {
    if (Array.isArray(each)) return each.map(pass)
    if (typeof each !== 'object' || each === null) return each
    const { '@type': url, ...fields } = each as Readonly<Record<string, unknown>>
    const type = typeof url === 'string' ? url.slice(url.lastIndexOf('/') + 1) : undefined
    if (type === undefined || knownTypes.getMessage(type))
      return Object.fromEntries(Object.entries(each).map(([name, field]) => [name, pass(field)]))
    const message = toFault(type)
    if (message !== undefined) wrong.push({ type, message })
    passed.push(type)
    return { '@type': typedStruct, type_url: url, value: fields }
  }
  return { value: pass(value), passed, wrong }
}

const toFault = (type: string): string | undefined => {
  if (/\.v2(alpha\d?)?\./.test(type)) return 'is of version 2 of the xDS API, which Envoy has no more: use version 3'
  if (!type.startsWith('envoy.')) return 'is no type of Envoy'
  const place = type.slice(0, type.lastIndexOf('.') + 1)
  const neighbours = [...knownTypes].flatMap((each) =>
    each.kind === 'message' && each.typeName.startsWith(place) ? each.typeName.slice(place.length) : [],
  )
  const meant = closestName(type.slice(place.length), neighbours)
  return meant === undefined ? undefined : `is no type of Envoy: did you mean ${place}${meant}?`
}
