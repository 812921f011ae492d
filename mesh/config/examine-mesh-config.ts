import type { Problem } from '../problem.ts'
import { providerFault, toKnownProviders, type Signal } from '../telemetry/find-provider.ts'
import { meshConfigSchema, type MeshConfig, type WrittenMeshConfig } from './mesh-config.ts'
import { findSetWithoutEffect } from './schema/find-without-effect.ts'
import { toPathText, toProblems, type FoundProblem } from './to-problems.ts'

/** It travels to every agent in one piece; people's have some thousands. */
const maxCharacters = 65_536

/** What Istio calls the trust domain of any mesh that has not chosen one. */
const istioTrustDomain = 'cluster.local'

/** All that is to be said of the settings that a person wrote for a mesh of this trust domain: errors, and what nothing follows from. */
export const examineMeshConfig = (
  written: WrittenMeshConfig,
  mesh: { readonly name: string; readonly trustDomain: string },
): readonly Problem[] => {
  const toProblem = ({ path, ...found }: FoundProblem): Problem => ({
    ...found,
    object: { kind: 'MeshConfig', namespace: '', name: mesh.name },
    path: toPathText(path),
  })
  const characters = JSON.stringify(written).length
  if (characters > maxCharacters) {
    const message = `has ${characters} characters of JSON; at most ${maxCharacters} are taken`
    return [toProblem({ code: 'too_large', severity: 'error', path: [], message })]
  }
  const parsed = meshConfigSchema.safeParse(written, { reportInput: true })
  return [
    ...(parsed.success ? [] : toProblems(parsed.error, [])),
    ...trustDomainProblems(written, mesh.trustDomain),
    ...ineffectiveProblems(written),
    ...(parsed.success ? [...providerProblems(parsed.data), ...logFileProblems(parsed.data)] : []),
  ].map(toProblem)
}

const trustDomainProblems = ({ trustDomain }: WrittenMeshConfig, own: string): readonly FoundProblem[] => {
  if (typeof trustDomain !== 'string' || trustDomain === '' || trustDomain === own) return []
  const path = ['trustDomain']
  if (trustDomain === istioTrustDomain) {
    const message = `the mesh has ${own} for good: identities read spiffe://${own}/…`
    return [{ code: 'ineffective', severity: 'warning', path, message }]
  }
  const message = `the mesh has ${own} for good: leave it out, or make another mesh`
  return [{ code: 'unsupported', severity: 'error', path, message }]
}

const signals: readonly Signal[] = ['tracing', 'metrics', 'accessLogging']

const providerProblems = ({ defaultProviders, extensionProviders }: MeshConfig): readonly FoundProblem[] => {
  const known = toKnownProviders(extensionProviders)
  return signals.flatMap((signal) =>
    defaultProviders[signal].flatMap((name, index): FoundProblem[] => {
      const message = providerFault(known, name, signal)
      const path = ['defaultProviders', signal, index]
      return message === undefined ? [] : [{ code: 'dangling_reference', severity: 'warning', path, message }]
    }),
  )
}

/** What every proxy can open. */
const streams: readonly string[] = ['/dev/stdout', '/dev/stderr']

const logFileProblems = ({ accessLogFile, extensionProviders }: MeshConfig): readonly FoundProblem[] => {
  const files = [
    { file: accessLogFile, path: ['accessLogFile'] },
    ...extensionProviders.map(({ envoyFileAccessLog }, index) => ({
      file: envoyFileAccessLog?.path,
      path: ['extensionProviders', index, 'envoyFileAccessLog', 'path'],
    })),
  ]
  return files.flatMap(({ file, path }): FoundProblem[] =>
    file === undefined || streams.includes(file)
      ? []
      : [
          {
            code: 'ineffective',
            severity: 'warning',
            path,
            message: `a proxy whose image has no folder for it, or that may not write there, does without this log: every proxy can write to ${streams.join(' and ')}`,
          },
        ],
  )
}

const ineffectiveProblems = (written: WrittenMeshConfig): readonly FoundProblem[] =>
  findSetWithoutEffect(meshConfigSchema, written).map(({ path, why }) => ({
    code: 'ineffective',
    severity: 'warning',
    path,
    message: why === undefined ? 'nothing follows from it' : `nothing follows from it: ${why}`,
  }))
