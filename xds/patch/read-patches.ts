import { objectKeyOf } from '#mesh/config-object.ts'
import type { ConfigPatch } from '#mesh/config/envoy-filter.ts'
import type { MeshView } from '#mesh/view.ts'
import { BlockedByObject, type CompileProblem } from '#xds/incremental/unit.ts'
import { writtenGuardsAccess } from './guards-access.ts'
import { parsePatch, type ParsedPatch } from './parse-patch.ts'
import type { Patch } from './patch.ts'
import type { SelectedFilter } from './select-patches.ts'

/** The same patches are read for many proxies. */
const parsedPatches = new WeakMap<ConfigPatch, ParsedPatch>()

/**
 * The patches of these EnvoyFilters as the view has them now, in the same order. One that can't be read is left out, unless it may keep somebody
 * out: then it throws, so that proxies keep what they had.
 */
export const readPatches = (
  view: MeshView,
  filters: readonly SelectedFilter[],
): { readonly patches: readonly Patch[]; readonly problems: readonly CompileProblem[] } => {
  const read = filters.flatMap(({ key, namespace, patches }) => {
    const filter = view.envoyFilters(namespace).find((each) => objectKeyOf(each) === key)
    return patches.flatMap((index) => {
      const written = filter?.spec.configPatches[index]
      if (!written) return []
      const parsed = parseOnce(key, written)
      const problems = parsed.errors.map(({ message }) => ({
        object: key,
        message: `spec.configPatches[${index}].patch.value ${message}`,
      }))
      const [problem] = problems
      if (problem && writtenGuardsAccess(written)) throw new BlockedByObject(problem)
      return { parsed, problems }
    })
  })
  return {
    patches: read.flatMap(({ parsed }) => parsed.patch ?? []),
    problems: read.flatMap(({ problems }) => problems),
  }
}

const parseOnce = (key: string, written: ConfigPatch): ParsedPatch => {
  let parsed = parsedPatches.get(written)
  if (!parsed) parsedPatches.set(written, (parsed = parsePatch(key, written)))
  return parsed
}
