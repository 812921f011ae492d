import { toCanonicalJson } from '../canonical-json.ts'
import { objectKeyOf, type Configured, type ObjectKey } from '../config-object.ts'
import { parseModuleUrl, type ModulePlace } from '../config/schema/module-url.ts'
import { unknownModule, type WasmPluginSpec } from '../config/wasm-plugin.ts'
import { takeTurns } from '../merge/take-turns.ts'

/** How many modules an agent keeps at most. */
export const maxModules = 64

/** A module as an agent has it; or why nobody has it. */
export type WasmModule =
  | {
      /** SHA-256 of the code, in hexadecimal. */
      readonly digest: string
      readonly code: Uint8Array
    }
  | { readonly fault: string }

/** Which module plugins mean: what was fetched for one of a key is what the others run. */
export type ModuleKey = string & { readonly __brand: 'ModuleKey' }

export interface ModuleSource {
  readonly key: ModuleKey
  readonly place: ModulePlace
  /** "<namespace>/<name>" of the Secret that its registry is signed in to by; undefined = nobody signs in. */
  readonly pullSecret: string | undefined
  /** Of the code, or of the image's manifest; undefined = whatever is there. */
  readonly sha256: string | undefined
  /** What is asked for again when this changes: what there is now counts, and not what was had before. "" = never. */
  readonly refreshedBy: string
}

export interface NamedModule extends ModuleSource {
  /** Who names it, with the path of what is wrong when it can't be had. */
  readonly objects: readonly ObjectKey[]
}

type Named = Pick<WasmPluginSpec, 'url' | 'sha256' | 'imagePullSecret'>

/** undefined = nobody can have it. What is had by a Secret is another module than what is had without, or by another one: each is fetched for those alone who could fetch it. */
export const toModuleKey = (spec: Named, namespace: string): ModuleKey | undefined => {
  const { url, sha256 = '' } = spec
  const secret = toPullSecret(spec, namespace)
  return url === unknownModule
    ? undefined
    : (`${url} ${sha256}${secret === undefined ? '' : ` ${secret}`}` as ModuleKey)
}

/** Istio reference: WasmPlugin.imagePullSecret: of images alone. */
const toPullSecret = ({ url, imagePullSecret: name }: Named, namespace: string): string | undefined => {
  const place = parseModuleUrl(url)
  return name === undefined || typeof place === 'string' || place.kind !== 'image' ? undefined : `${namespace}/${name}`
}

/** All that these run, each once. */
export const findModules = (objects: Iterable<Configured<WasmPluginSpec>>): readonly NamedModule[] => {
  const found = new Map<ModuleKey, NamedModule>()
  for (const object of objects) {
    const { namespace } = object.metadata
    const key = toModuleKey(object.spec, namespace)
    const place = parseModuleUrl(object.spec.url)
    if (key === undefined || typeof place === 'string') continue
    const known = found.get(key)
    const refreshedBy = isAlwaysPulled(object.spec, place) ? toCanonicalJson([object.metadata, object.spec]) : ''
    found.set(key, {
      key,
      place,
      pullSecret: toPullSecret(object.spec, namespace),
      sha256: object.spec.sha256,
      refreshedBy: `${known?.refreshedBy ?? ''}${refreshedBy}`,
      objects: [...new Set([...(known?.objects ?? []), objectKeyOf(object)])],
    })
  }
  return [...found.values()]
}

/** Those that an agent keeps. */
export const selectModules = (modules: readonly NamedModule[]): readonly NamedModule[] =>
  takeTurns(modules, { room: maxModules, nameOf: ({ key }) => key })

/** Istio reference: WasmPlugin.imagePullPolicy: of no interest where a digest says what it is. */
const isAlwaysPulled = ({ imagePullPolicy, sha256 }: WasmPluginSpec, place: ModulePlace): boolean => {
  if (sha256 !== undefined || (place.kind === 'image' && place.digest !== undefined)) return false
  if (imagePullPolicy !== 'UNSPECIFIED_POLICY') return imagePullPolicy === 'Always'
  return place.kind === 'image' && place.tag === 'latest'
}
