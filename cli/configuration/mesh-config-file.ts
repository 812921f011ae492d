import { readFileSync } from 'node:fs'
import type { WrittenMeshConfig } from '#mesh/config/mesh-config.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { isFields } from '#mesh/is-fields.ts'
import { attemptRead } from '../attempt-read.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'

/**
 * Reads Istio's MeshConfig where people have it: a file of its own, the ConfigMap `istio` (`data.mesh`), an IstioOperator or the values of its chart
 * (`meshConfig`). Throws CliError `usage` when there is none.
 */
export const readMeshConfigFile = async (path: string, context: CliContext): Promise<WrittenMeshConfig> => {
  const text = path === '-' ? await context.io.readStdin() : attemptRead(path, () => readFileSync(path, 'utf8'))
  const { parseAllDocuments } = await import('yaml')
  const read = (content: string): unknown => {
    const documents = parseAllDocuments(content)
    const [fault] = documents.flatMap(({ errors }) => errors)
    if (fault) throw new CliError('usage', `${path} is not YAML: ${toErrorMessage(fault)}`, { cause: fault })
    if (documents.length > 1)
      throw new CliError('usage', `${path} holds ${documents.length} documents`, {
        remedy: 'Give the one that has the settings.',
      })
    return documents[0]?.toJS()
  }
  const file = toFields(read(text), path)
  const { data, spec, meshConfig } = file
  if (isFields(data) && typeof data['mesh'] === 'string') {
    const networks = typeof data['meshNetworks'] === 'string' ? read(data['meshNetworks']) : undefined
    if (isFields(networks) && isFields(networks['networks']) && Object.keys(networks['networks']).length > 0)
      context.note(`${path}: data.meshNetworks is left out: each cluster says its network when it joins`)
    return toFields(read(data['mesh']), `${path}: data.mesh`)
  }
  if (isFields(spec) && spec['meshConfig'] !== undefined)
    return toFields(spec['meshConfig'], `${path}: spec.meshConfig`)
  return meshConfig === undefined ? file : toFields(meshConfig, `${path}: meshConfig`)
}

/** Whether `readMeshConfigFile` would find settings in an object of Kubernetes. */
export const holdsMeshConfig = (value: unknown): boolean => {
  if (!isFields(value)) return false
  const { data, spec } = value
  return (isFields(data) && typeof data['mesh'] === 'string') || (isFields(spec) && spec['meshConfig'] !== undefined)
}

const toFields = (value: unknown, place: string): Readonly<Record<string, unknown>> => {
  if (isFields(value)) return value
  throw new CliError('usage', `${place} is no MeshConfig: it has to be an object`)
}
