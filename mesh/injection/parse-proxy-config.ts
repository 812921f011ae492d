import type { z } from 'zod'
import { issueParams } from '../config/schema/message.ts'
import { proxySettings, type ProxySettings } from '../config/schema/proxy-settings.ts'
import { toPathText } from '../config/to-problems.ts'
import { readYaml } from '../documents/read-yaml.ts'
import { isFields } from '../is-fields.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import { mergeProxySettings } from './proxy-layers.ts'

export interface ParsedProxyConfig {
  readonly settings: ProxySettings
  /** Fields that nothing follows from. */
  readonly ignored: readonly string[]
}

/** These are the whole mesh's: a proxy's listeners are made by its settings. */
const ofMesh: readonly string[] = ['gatewayTopology', 'tracing', 'tracingServiceName']

/** The annotation `proxy.istio.io/config`. What Atoll refuses of a mesh is no reason to keep a pod from being made: nothing follows from it. */
export const parseProxyConfig = (text: string): Result<ParsedProxyConfig, string> => {
  const documents = readYaml(text, 1)
  if (!documents.ok) return err(`is not YAML: ${documents.error[0]?.message ?? ''}`)
  const value = documents.value[0]?.value ?? {}
  if (!isFields(value)) return err('is not a mapping of fields')
  const settings: ProxySettings[] = []
  const ignored: string[] = []
  for (const [name, field] of Object.entries(value)) {
    const parsed = proxySettings.safeParse({ [name]: field }, { reportInput: true })
    const wrong = parsed.error?.issues.find((issue) => !isIgnorable(issue))
    if (wrong) return err(`${toPathText(wrong.path)}: ${wrong.message}`)
    const understood = parsed.success && Object.values(parsed.data).some((each) => each !== undefined)
    if (parsed.success && understood && !ofMesh.includes(name)) settings.push(parsed.data)
    else ignored.push(name)
  }
  return ok({ settings: mergeProxySettings(...settings), ignored })
}

const isIgnorable = (issue: z.core.$ZodIssue): boolean =>
  ['unsupported', 'unknown_field'].includes(issueParams(issue).problem ?? '')
