import { parseObjectKey } from '#mesh/config-object.ts'
import type { Problem } from '#mesh/problem.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import { createCompiler } from '#xds/compiler.ts'
import type { UnitProblem } from '#xds/incremental/unit-graph.ts'
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
  readonly problems: readonly Problem[]
  /** Whether the files say nothing of the proxy's workload that they ask for. */
  readonly isGuessed: boolean
}

/** Compiles for one proxy what files say, as the agent of a cluster that holds all of it would. */
export const compileOffline = (files: OfflineFiles, spec: ProxySpec, settings: MeshSettings): OfflineResult => {
  const { view, proxy, isGuessed, problems: found } = createOfflineView(files, spec, settings)
  const compiler = createCompiler(view)
  const { sets } = compiler.attach(proxy)
  const resources = readableTypes.flatMap((type) =>
    sets
      .flatMap((set) => [...set.all(type).values()])
      .map((resource) => ({ type, name: resource.name, json: toResourceJson(type, resource) }))
      .toSorted((left, right) => (left.name < right.name ? -1 : 1)),
  )
  const { problems } = compiler.update(new Set(), 1)
  return { resources, problems: [...found, ...problems.map(toProblem)], isGuessed }
}

/** What is left out of an object has no effect; the rest of it has. */
const toProblem = ({ object: key, unit, message }: UnitProblem): Problem => {
  const object = parseObjectKey(key)
  const found = { code: 'ineffective', severity: 'warning', path: '' } as const
  return object ? { ...found, object, message } : { ...found, message: `${key || unit}: ${message}` }
}
