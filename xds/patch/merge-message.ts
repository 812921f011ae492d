import { clone, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect'
import { anyPack, anyUnpack, type Any } from '@bufbuild/protobuf/wkt'
import { knownTypes } from '#xds/known-types.ts'

export interface MergeOptions {
  /** Lists of the source take the place of the target's, instead of being appended to them. */
  readonly replacesLists?: boolean
}

/** Values rather than messages: a `false` or a part of a second that is merged would be lost. */
const isValue = ({ typeName }: DescMessage): boolean =>
  typeName === 'google.protobuf.Duration' || /^google\.protobuf\.\w+Value$/.test(typeName)

/** Merges one message into another as protobuf does (Message.MergeFrom), but for durations and wrapped scalars, which are replaced. */
export const mergeMessage = <Desc extends DescMessage>(
  schema: Desc,
  target: MessageShape<Desc>,
  source: MessageShape<Desc>,
  options: MergeOptions = {},
): void => mergeFields(reflect(schema, target), reflect(schema, clone(schema, source)), options)

const mergeFields = (target: ReflectMessage, source: ReflectMessage, options: MergeOptions): void => {
  for (const field of source.fields) {
    if (!source.isSet(field)) continue
    switch (field.fieldKind) {
      case 'list': {
        const list = target.get(field)
        if (options.replacesLists) list.clear()
        for (const item of source.get(field)) list.add(item)
        break
      }
      case 'map': {
        const map = target.get(field)
        for (const [key, value] of source.get(field)) map.set(key, value)
        break
      }
      case 'message': {
        if (isValue(field.message) || !target.isSet(field)) {
          target.set(field, source.get(field))
          break
        }
        const merged = target.get(field)
        mergeFields(merged, source.get(field), options)
        target.set(field, merged)
        break
      }
      default:
        target.set(field, source.get(field))
    }
  }
}

/** Merges what is packed; the target as it is when the source is of another type. */
export const mergeAny = (target: Any, source: Any): Any => {
  const schema = knownTypes.getMessage(target.typeUrl.slice(target.typeUrl.lastIndexOf('/') + 1))
  const [into, from] = [anyUnpack(target, knownTypes), anyUnpack(source, knownTypes)]
  if (!schema || !into || !from || into.$typeName !== from.$typeName) return target
  mergeMessage(schema, into, from)
  return anyPack(schema, into)
}
