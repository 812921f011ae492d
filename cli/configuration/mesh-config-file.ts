import { readFileSync } from 'node:fs'
import type { WrittenMeshConfig } from '#mesh/config/mesh-config.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { attemptRead } from '../attempt-read.ts'
import { CliError } from '../cli-error.ts'
import type { CliIo } from '../cli-io.ts'

/**
 * Reads Istio's MeshConfig where people have it: a file of its own, the ConfigMap `istio` (`data.mesh`), an IstioOperator or the values of its chart
 * (`meshConfig`). Throws CliError `usage` when there is none.
 */
export const readMeshConfigFile = async (path: string, io: CliIo): Promise<WrittenMeshConfig> => {
  const text = path === '-' ? await io.readStdin() : attemptRead(path, () => readFileSync(path, 'utf8'))
  const { parse } = await import('yaml')
  const read = (content: string): unknown => {
    try {
      return parse(content)
    } catch (error) {
      throw new CliError('usage', `${path} is not YAML: ${toErrorMessage(error)}`, { cause: error })
    }
  }
  const file = toFields(read(text), path)
  const { data, spec, meshConfig } = file
  if (isFields(data) && typeof data['mesh'] === 'string') return toFields(read(data['mesh']), `${path}: data.mesh`)
  if (isFields(spec) && spec['meshConfig'] !== undefined)
    return toFields(spec['meshConfig'], `${path}: spec.meshConfig`)
  return meshConfig === undefined ? file : toFields(meshConfig, `${path}: meshConfig`)
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const toFields = (value: unknown, place: string): Readonly<Record<string, unknown>> => {
  if (isFields(value)) return value
  throw new CliError('usage', `${place} is no MeshConfig: it has to be an object`)
}
