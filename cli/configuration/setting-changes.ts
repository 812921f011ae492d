import { isDeepStrictEqual } from 'node:util'
import type { Mesh } from '#api/schemas/meshes.ts'
import { defaultMeshConfig } from '#mesh/config/mesh-config.ts'
import { toPathText } from '#mesh/config/to-problems.ts'
import { isFields } from '#mesh/is-fields.ts'
import { defaultKeyAlgorithm } from '#mesh/key-algorithm.ts'

/** What becomes of a setting. */
export interface SettingChange {
  /** The path of a field of MeshConfig, or the name of one of Atoll's own. */
  readonly field: string
  /** null = not set, and nothing in its place. */
  readonly before: unknown
  readonly after: unknown
}

type Settings = Pick<
  Mesh['settings'],
  'domainSuffix' | 'inboundMtls' | 'logRetentionDays' | 'traceRetentionDays' | 'keys' | 'meshConfig'
>

/** The settings that differ; one that is not set has its default. */
export const findSettingChanges = (before: Settings, after: Settings): readonly SettingChange[] => {
  const own = (['domainSuffix', 'inboundMtls', 'logRetentionDays', 'traceRetentionDays'] as const).map((field) => ({
    field,
    before: before[field] ?? null,
    after: after[field] ?? null,
  }))
  const keys = (['root', 'intermediate', 'leaf'] as const).map((of) => ({
    field: `keys.${of}`,
    before: before.keys?.[of] ?? defaultKeyAlgorithm,
    after: after.keys?.[of] ?? defaultKeyAlgorithm,
  }))
  const [left, right] = [toLeaves(before.meshConfig), toLeaves(after.meshConfig)]
  const fields = [...new Set([...left.keys(), ...right.keys()])].map((field) => ({
    field,
    before: left.get(field) ?? defaults.get(field) ?? null,
    after: right.get(field) ?? defaults.get(field) ?? null,
  }))
  return [...own, ...keys, ...fields].filter((change) => !isDeepStrictEqual(change.before, change.after))
}

/** Beyond it a value says no more to a person. */
const maxCharacters = 80

export const toChangeText = ({ field, before, after }: SettingChange): string =>
  `${field}: ${toValueText(before)} → ${toValueText(after)}`

const toValueText = (value: unknown): string => {
  if (value === null) return 'not set'
  const text = typeof value === 'string' && value !== '' ? value : JSON.stringify(value)
  return text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text
}

/** By path; lists are one. */
const toLeaves = (value: unknown): ReadonlyMap<string, unknown> => {
  const walk = (part: unknown, path: readonly string[]): readonly (readonly [string, unknown])[] =>
    isFields(part)
      ? Object.entries(part).flatMap(([name, each]) => walk(each, [...path, name]))
      : [[toPathText(path), part]]
  return new Map(walk(value, []))
}

const defaults = toLeaves(defaultMeshConfig)
