import type { Problem } from '../problem.ts'
import { meshConfigSchema, type WrittenMeshConfig } from './mesh-config.ts'
import { toPathText, toProblems } from './to-problems.ts'

/** All that is wrong with the settings that a person wrote for a mesh of this trust domain. */
export const examineMeshConfig = (
  written: WrittenMeshConfig,
  mesh: { readonly name: string; readonly trustDomain: string },
): readonly Problem[] => {
  const toProblem = ({ path, ...found }: ReturnType<typeof toProblems>[number]): Problem => ({
    ...found,
    object: { kind: 'MeshConfig', namespace: '', name: mesh.name },
    path: toPathText(path),
  })
  const parsed = meshConfigSchema.safeParse(written, { reportInput: true })
  if (!parsed.success) return toProblems(parsed.error, []).map(toProblem)
  const { trustDomain } = parsed.data
  if (trustDomain === undefined || trustDomain === mesh.trustDomain) return []
  const message = `the mesh has ${mesh.trustDomain} for good: leave it out, or make another mesh`
  return [toProblem({ code: 'unsupported', severity: 'error', path: ['trustDomain'], message })]
}
