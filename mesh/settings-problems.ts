import { findStrangeFields } from './config/mesh-config.ts'
import type { Problem } from './problem.ts'
import type { MeshSettings } from './settings.ts'

/** What of a mesh's settings Atoll does not understand. */
export const toSettingsProblems = ({ meshConfig }: MeshSettings): readonly Problem[] =>
  findStrangeFields(meshConfig).map((message) => ({
    code: 'unsupported',
    severity: 'warning',
    path: 'meshConfig:',
    message,
  }))
