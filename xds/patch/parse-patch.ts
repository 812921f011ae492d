import { create, fromJson, type DescMessage, type JsonValue } from '@bufbuild/protobuf'
import type { ConfigPatch } from '#mesh/config/envoy-filter.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { knownTypes } from '#xds/known-types.ts'
import { passUnknownTypes } from './pass-unknown-types.ts'
import { patchedTypes, type Patch } from './patch.ts'
import { toProtoDurations } from './to-proto-durations.ts'

interface Fault {
  readonly code: 'invalid' | 'unsupported' | 'unknown_field'
  readonly message: string
}

export interface ParsedPatch {
  /** Absent when there are errors. */
  readonly patch?: Patch
  readonly errors: readonly Fault[]
  readonly warnings: readonly Fault[]
}

/** Reads a patch's value as the message of Envoy's API that it is to be. Never throws. */
export const parsePatch = (object: string, { applyTo, match, patch }: ConfigPatch): ParsedPatch => {
  const schema: DescMessage = patchedTypes[applyTo]
  const { operation } = patch
  const toPatch = (value: Patch['value']): Patch => ({ object, part: applyTo, operation, match, value })
  // What a removal says beyond that has no effect; Istio wants it to be right all the same.
  if (patch.value === undefined) return { patch: toPatch(create(schema) as Patch['value']), errors: [], warnings: [] }

  const { value: known, passed, wrong } = passUnknownTypes(patch.value)
  if (wrong.length > 0)
    return {
      errors: wrong.map(({ type, message }) => ({ code: 'unsupported', message: `${type} ${message}` })),
      warnings: [],
    }
  const warnings: Fault[] = passed.map((type) => ({
    code: 'unsupported',
    message: `${type} is not among the types that Atoll knows: what it says is checked by the proxies only, durations have to be in seconds ("0.5s")`,
  }))
  try {
    const value = toProtoDurations(schema, known)
    const read = (ignoreUnknownFields: boolean) =>
      fromJson(schema, value as JsonValue, { registry: knownTypes, ignoreUnknownFields }) as Patch['value']
    const message = read(true)
    return { patch: toPatch(message), errors: [], warnings: [...warnings, ...findDoubts(operation, message, read)] }
  } catch (error) {
    return { errors: [{ code: 'invalid', message: `is not a ${schema.typeName}: ${toErrorMessage(error)}` }], warnings }
  }
}

/** Istio takes fields that it does not know, which a newer Envoy may have: they are left out. */
const findDoubts = (
  operation: Patch['operation'],
  message: Patch['value'],
  read: (ignoreUnknownFields: boolean) => unknown,
): readonly Fault[] => {
  const doubts: Fault[] = []
  try {
    read(false)
  } catch (error) {
    doubts.push({ code: 'unknown_field', message: `has something that is left out: ${toErrorMessage(error)}` })
  }
  const isPutIn = operation !== 'REMOVE' && operation !== 'MERGE'
  if (isPutIn && 'configType' in message && message.configType.case === undefined)
    doubts.push({ code: 'invalid', message: 'has no typed_config: Envoy does not find filters by their name' })
  return doubts
}
