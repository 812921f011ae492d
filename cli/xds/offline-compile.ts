import type { MeshSettings } from '#mesh/settings.ts'
import { createCompiler } from '#xds/compiler.ts'
import { readableTypes, toResourceJson } from '#xds/resource-json.ts'
import type { TypeUrl } from '#xds/type-url.ts'
import { createOfflineView, type OfflineFiles } from './offline-view.ts'
import type { ProxySpec } from './proxy-spec.ts'

export interface OfflineResource {
  readonly type: TypeUrl
  readonly name: string
  readonly json: ReturnType<typeof toResourceJson>
}

export interface OfflineResult {
  /** By type in the order of delivery, then by name. */
  readonly resources: readonly OfflineResource[]
  /** What could not be compiled, or was left out. */
  readonly problems: readonly string[]
}

/** Compiles for one proxy what files say, as the agent of a cluster that holds all of it would. */
export const compileOffline = (files: OfflineFiles, spec: ProxySpec, settings: MeshSettings): OfflineResult => {
  const { view, proxy, problems: found } = createOfflineView(files, spec, settings)
  const compiler = createCompiler(view)
  const { sets } = compiler.attach(proxy)
  const resources = readableTypes.flatMap((type) =>
    sets
      .flatMap((set) => [...set.all(type).values()])
      .map((resource) => ({ type, name: resource.name, json: toResourceJson(type, resource) }))
      .toSorted((left, right) => (left.name < right.name ? -1 : 1)),
  )
  const { problems } = compiler.update(new Set(), 1)
  return {
    resources,
    problems: [
      ...found.map(({ object, path, message }) =>
        [object === undefined ? '' : `${object.kind} ${object.namespace}/${object.name}`, path, message]
          .filter(Boolean)
          .join(' '),
      ),
      ...problems.map(({ object, unit, message }) => `${object || unit}: ${message}`),
    ],
  }
}
