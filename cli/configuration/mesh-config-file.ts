import { readFileSync } from 'node:fs'
import type { WrittenMeshConfig } from '#mesh/config/mesh-config.ts'
import { isFields } from '#mesh/is-fields.ts'
import { attemptRead } from '../attempt-read.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'

/** More than anybody has in a file of settings, so that they are counted. */
const maxDocuments = 1000

type Fields = Readonly<Record<string, unknown>>

/**
 * Reads Istio's MeshConfig where people have it: a file of its own, the ConfigMap `istio` (`data.mesh`), an IstioOperator or the values of its chart
 * (`meshConfig`). Throws CliError `usage` when there is none.
 */
export const readMeshConfigFile = async (path: string, context: CliContext): Promise<WrittenMeshConfig> => {
  const text = path === '-' ? await context.io.readStdin() : attemptRead(path, () => readFileSync(path, 'utf8'))
  const { readYaml } = await import('#mesh/documents/read-yaml.ts')
  const read = (content: string): unknown => {
    const documents = readYaml(content, maxDocuments)
    if (!documents.ok) {
      const [fault] = documents.error
      const line = fault?.line === undefined ? '' : `line ${fault.line}: `
      throw new CliError('usage', `${path} can't be read: ${line}${fault?.message}`)
    }
    if (documents.value.length > 1)
      throw new CliError('usage', `${path} holds ${documents.value.length} documents`, {
        remedy: 'Give the one that has the settings.',
      })
    return documents.value[0]?.value
  }
  const file = toFields(read(text), path)
  const found = findSettings(file)
  if (!found) return file['meshConfig'] === undefined ? file : toFields(file['meshConfig'], `${path}: meshConfig`)
  if (hasNetworks(found.networks === undefined ? undefined : read(found.networks)))
    context.note(`${path}: data.meshNetworks is left out: each cluster says its network when it joins`)
  return toFields(found.text === undefined ? found.value : read(found.text), `${path}: ${found.at}`)
}

/** Whether `readMeshConfigFile` would find settings in an object of Kubernetes. */
export const holdsMeshConfig = (value: unknown): boolean => isFields(value) && findSettings(value) !== undefined

/** Settings in an object of Kubernetes: the texts of a ConfigMap, or the value of an IstioOperator. */
interface FoundSettings {
  readonly at: string
  readonly text?: string
  readonly networks?: string | undefined
  readonly value?: unknown
}

const findSettings = ({ data, spec }: Fields): FoundSettings | undefined => {
  if (isFields(data) && typeof data['mesh'] === 'string') {
    const { mesh, meshNetworks } = data
    return { at: 'data.mesh', text: mesh, ...(typeof meshNetworks === 'string' && { networks: meshNetworks }) }
  }
  if (isFields(spec) && spec['meshConfig'] !== undefined) return { at: 'spec.meshConfig', value: spec['meshConfig'] }
  return undefined
}

const hasNetworks = (value: unknown): boolean =>
  isFields(value) && isFields(value['networks']) && Object.keys(value['networks']).length > 0

const toFields = (value: unknown, place: string): Fields => {
  if (isFields(value)) return value
  throw new CliError('usage', `${place} is no MeshConfig: it has to be an object`)
}
