import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { networkName } from '#mesh/names.ts'
import { gatewayAddress } from '#mesh/service.ts'
import { AgentError } from './agent-error.ts'
import { logLevels } from './log.ts'

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)

const planeUrl = z
  .url({ protocol: /^https?$/ })
  .refine((text) => text.startsWith('https:') || isLoopback(new URL(text).hostname), {
    message: 'must be https:// (plain http:// is for a plane on this machine)',
  })
  // It is in logs and error texts.
  .refine((text) => new URL(text).username === '' && new URL(text).password === '', {
    message: 'must not hold a user name or a password',
  })
  .transform((text) => text.replace(/\/+$/, ''))

/** "host:port", "[::1]:port" */
const hostPort = z.string().transform((text, context) => {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:]+):(\d{1,5})$/.exec(text)
  const [, host = '', port = ''] = match ?? []
  if (!match || Number(port) > 65_535) {
    context.addIssue({ code: 'custom', message: 'must read <address>:<port>' })
    return z.NEVER
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
})
export type HostPort = z.infer<typeof hostPort>

const gateway = hostPort.transform(({ host, port }) => ({ address: host, port })).pipe(gatewayAddress)

/** The agent's configuration file (docs/universal.md). Paths are relative to the folder of the file. */
const agentConfig = z.strictObject({
  /** The control plane. */
  plane: planeUrl,
  /** The registry: a directory of YAML. */
  directory: z.string().min(1),
  /** What the agent keeps: its keys, the last known good state. */
  dataDirectory: z.string().min(1).default('.'),
  xdsAddress: hostPort.default({ host: '127.0.0.1', port: 15_010 }),
  /** /healthz, /readyz, /metrics */
  httpAddress: hostPort.default({ host: '127.0.0.1', port: 15_020 }),
  /** Overrides the network that the cluster was joined with. */
  network: networkName.optional(),
  /** "address:port" of this cluster's east-west gateways as other networks reach them; default: the registry's own. */
  gateways: z.array(gateway).max(64).optional(),
  /** Read when the agent has not joined yet, and deleted once it has. */
  joinTokenFile: z.string().optional(),
  /** PEM: what the plane's certificate is verified against, instead of the public authorities. */
  planeCaFile: z.string().optional(),
  /** An HTTP proxy on the way to the plane; default: HTTPS_PROXY, NO_PROXY. */
  proxyUrl: z.url().optional(),
  /** 32 bytes in base64: seals what is in the data directory. Default: a file in it that the agent makes. */
  sealingKeyFile: z.string().optional(),
  logLevel: z.enum(logLevels).default('info'),
})
export type AgentConfig = z.infer<typeof agentConfig>

const pathFields = ['directory', 'dataDirectory', 'joinTokenFile', 'planeCaFile', 'sealingKeyFile'] as const

/** Settings from the command line; they win over the environment (ATOLL_AGENT_…), which wins over the file. */
export type AgentFlags = Readonly<Partial<Record<string, string>>>

const environmentNames: Readonly<Record<string, string>> = {
  plane: 'ATOLL_AGENT_PLANE',
  directory: 'ATOLL_AGENT_DIRECTORY',
  dataDirectory: 'ATOLL_AGENT_DATA',
  xdsAddress: 'ATOLL_AGENT_XDS_ADDRESS',
  httpAddress: 'ATOLL_AGENT_HTTP_ADDRESS',
  network: 'ATOLL_AGENT_NETWORK',
  joinTokenFile: 'ATOLL_AGENT_JOIN_TOKEN_FILE',
  planeCaFile: 'ATOLL_AGENT_PLANE_CA_FILE',
  proxyUrl: 'ATOLL_AGENT_PROXY_URL',
  sealingKeyFile: 'ATOLL_AGENT_SEALING_KEY_FILE',
  logLevel: 'ATOLL_AGENT_LOG_LEVEL',
}

/** The configuration out of its three sources. Throws AgentError `bad_config` that names every wrong field. */
export const loadConfig = (
  file: string | undefined,
  flags: AgentFlags,
  environment: Readonly<Record<string, string | undefined>>,
): AgentConfig => {
  const fromFile = file === undefined ? {} : resolvePaths(readConfigFile(file), dirname(resolve(file)))
  const fromEnvironment = Object.fromEntries(
    Object.entries(environmentNames)
      .map(([field, name]) => [field, environment[name]] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  )
  const fromFlags = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined))
  const parsed = agentConfig.safeParse({
    ...fromFile,
    ...resolvePaths({ ...fromEnvironment, ...fromFlags }, process.cwd()),
  })
  if (!parsed.success) {
    const reasons = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`)
    throw new AgentError('bad_config', `the agent's configuration is not usable: ${reasons.join('; ')}`)
  }
  return { ...parsed.data, dataDirectory: resolve(parsed.data.dataDirectory) }
}

const readConfigFile = (file: string): Record<string, unknown> => {
  let content: unknown
  try {
    content = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new AgentError(
      'bad_config',
      `${file} can't be read as YAML: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  const mapping = z.record(z.string(), z.unknown()).safeParse(content ?? {})
  if (!mapping.success) throw new AgentError('bad_config', `${file} is not a mapping of settings`)
  return { dataDirectory: '.', ...mapping.data }
}

const resolvePaths = (settings: Record<string, unknown>, base: string): Record<string, unknown> => {
  const resolved = { ...settings }
  for (const field of pathFields) {
    const value = resolved[field]
    if (typeof value === 'string') resolved[field] = resolve(base, value)
  }
  return resolved
}
