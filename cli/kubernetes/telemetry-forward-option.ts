import { readFileSync } from 'node:fs'
import { toPathText } from '#mesh/config/to-problems.ts'
import { readYaml } from '#mesh/documents/read-yaml.ts'
import { attemptRead } from '../attempt-read.ts'
import { CliError } from '../cli-error.ts'
import { telemetryForwards, type TelemetryForwards } from './manifests/telemetry-forward.ts'

/** The list in the file that `--telemetry-forward` names. Throws CliError `usage` unless it is one of backends. */
export const readTelemetryForwards = (file: string): TelemetryForwards => {
  const name = `--telemetry-forward ${file}`
  const documents = readYaml(
    attemptRead(name, () => readFileSync(file, 'utf8')),
    1,
  )
  if (!documents.ok) throw new CliError('usage', `${name} is not YAML: ${documents.error[0]?.message ?? ''}`)
  const parsed = telemetryForwards.safeParse(documents.value[0]?.value ?? [])
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new CliError(
    'usage',
    `${name} is no list of backends: ${toPathText(issue?.path ?? [])} ${issue?.message ?? ''}`,
  )
}
