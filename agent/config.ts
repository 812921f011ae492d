import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { agentHttpPort, agentWebhookPort, agentXdsPort } from '#mesh/kubernetes/conventions.ts'
import { defaultInjectionSettings } from '#mesh/injection/injection-settings.ts'
import { networkName } from '#mesh/names.ts'
import { gatewayAddress } from '#mesh/service.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { AgentError } from './agent-error.ts'
import { allowedPlace } from './outside/place-guard.ts'
import { logLevels } from './log.ts'
import { signals } from './telemetry/outbox/batch.ts'

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

const isOnThisMachine = (url: string): boolean => isLoopback(new URL(url).hostname)

/** OTLP/HTTP's base URL: "/v1/logs" is put behind it. Within a cluster collectors speak plain HTTP. */
const otlpEndpoint = z
  .url({ protocol: /^https?$/ })
  .refine((text) => !/[@?#]/.test(text), { message: 'must hold no user name, no password and no query' })
  .transform((text) => text.replace(/\/+$/, ''))

const telemetryForward = z
  .strictObject({
    endpoint: otlpEndpoint,
    signals: z
      .array(z.enum(signals))
      .min(1)
      .default([...signals]),
    /** A line "<name>: <value>" for each header that requests are to have. */
    headersFile: z.string().min(1).optional(),
    /** PEM: what its certificate is verified against, instead of the public authorities. */
    caFile: z.string().min(1).optional(),
    /** Requests that took so long are told as spans, sampled or not. */
    slowMilliseconds: z.int().min(0).max(86_400_000).default(1000),
  })
  .refine(
    ({ endpoint, headersFile }) =>
      headersFile === undefined || endpoint.startsWith('https:') || isOnThisMachine(endpoint),
    { path: ['endpoint'], message: 'must be https://, since it is sent secret headers' },
  )

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
const outside = z
  .strictObject({
    /** Where what is fetched may be that has no public address. Default: the cluster's services, "*.svc.<suffix>". */
    allow: z.array(allowedPlace).max(256).optional(),
    /** PEM: what certificates there are verified against, beside the public authorities. */
    caFile: z.string().min(1).optional(),
  })
  .default({})

const agentSettings = z.strictObject({
  /** The control plane. */
  plane: planeUrl,
  /** What runs in this cluster: in `directory`, or what a Kubernetes API server has. */
  registry: z.enum(['directory', 'kubernetes']).default('directory'),
  /** The registry: a directory of YAML. */
  directory: z.string().min(1).optional(),
  /** Where the Secrets are that Gateways name, as YAML: a directory that is the agent's alone. */
  secrets: z.string().min(1).optional(),
  /** How the API server is reached; default: as a pod reaches its own. */
  kubeconfig: z.string().min(1).optional(),
  /** Tells the replicas of one cluster apart; default: the host's name, which in a pod is the pod's. */
  replica: z.string().min(1).max(128).optional(),
  /** Kubernetes: what is injected into pods (docs/injection.md). Absent = this agent injects nothing. */
  injection: z
    .strictObject({
      /** With Envoy as its entrypoint, and with bash, iptables and ip6tables. */
      proxyImage: z.string().min(1),
      /** Of the injector: what istio.io/rev has to say. */
      revision: z.string().min(1).default(defaultInjectionSettings.revision),
      nativeSidecars: z.boolean().default(defaultInjectionSettings.nativeSidecars),
      holdApplicationUntilProxyStarts: z.boolean().default(defaultInjectionSettings.holdApplicationUntilProxyStarts),
      webhookAddress: hostPort.default({ host: '0.0.0.0', port: agentWebhookPort }),
    })
    .optional(),
  /** What the agent keeps: its keys, the last known good state. */
  dataDirectory: z.string().min(1).default('.'),
  /** How much telemetry waits on disk at most while the plane is away; never more than half of what is free. */
  telemetrySpoolMebibytes: z.int().min(0).max(1_048_576).default(1024),
  /** Backends that speak OTLP/HTTP, which are sent what the plane is (docs/telemetry.md). */
  telemetryForward: z
    .array(telemetryForward)
    .max(8)
    .refine((all) => new Set(all.map(({ endpoint }) => endpoint)).size === all.length, {
      message: 'must name each endpoint once',
    })
    .default([]),
  /** How the keys of the issuers that RequestAuthentications name are fetched (docs/security-policy.md). */
  jwks: outside,
  /** The same of the modules that WasmPlugins name (docs/extensions.md). */
  wasm: outside,
  /** Default: this machine alone; in Kubernetes everybody. */
  xdsAddress: hostPort.optional(),
  /** /healthz, /readyz, /metrics. Default: as for xDS. */
  httpAddress: hostPort.optional(),
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

const agentConfig = agentSettings.transform(
  (
    {
      registry: kind,
      directory,
      secrets,
      kubeconfig,
      replica = hostname(),
      injection,
      xdsAddress,
      httpAddress,
      ...settings
    },
    context,
  ) => {
    const wrong =
      kind === 'kubernetes'
        ? directory !== undefined && (['directory', 'is for a registry of files, not for Kubernetes'] as const)
        : (directory === undefined && (['directory', 'is required: where the YAML of this cluster is'] as const)) ||
          (kubeconfig !== undefined && (['kubeconfig', 'is for the registry "kubernetes"'] as const)) ||
          (injection !== undefined && (['injection', 'is for the registry "kubernetes"'] as const))
    if (wrong) {
      const [field, message] = wrong
      context.addIssue({ code: 'custom', path: [field], message })
      return z.NEVER
    }
    const host = kind === 'kubernetes' ? '0.0.0.0' : '127.0.0.1'
    return {
      ...settings,
      registry:
        directory === undefined
          ? { kind: 'kubernetes' as const, kubeconfig, replica, injection }
          : { kind: 'directory' as const, directory, secrets },
      xdsAddress: xdsAddress ?? { host, port: agentXdsPort },
      httpAddress: httpAddress ?? { host, port: agentHttpPort },
    }
  },
)
export type AgentConfig = z.infer<typeof agentConfig>

const pathFields = [
  'directory',
  'secrets',
  'kubeconfig',
  'dataDirectory',
  'joinTokenFile',
  'planeCaFile',
  'sealingKeyFile',
  'headersFile',
  'caFile',
] as const

/** Settings from the command line; they win over the environment (ATOLL_AGENT_…), which wins over the file. */
export type AgentFlags = Readonly<Partial<Record<string, string>>>

const environmentNames: Readonly<Record<string, string>> = {
  plane: 'ATOLL_AGENT_PLANE',
  registry: 'ATOLL_AGENT_REGISTRY',
  directory: 'ATOLL_AGENT_DIRECTORY',
  secrets: 'ATOLL_AGENT_SECRETS',
  kubeconfig: 'ATOLL_AGENT_KUBECONFIG',
  replica: 'ATOLL_AGENT_REPLICA',
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
    throw new AgentError('bad_config', `${file} can't be read as YAML: ${toErrorMessage(error)}`)
  }
  const mapping = z.record(z.string(), z.unknown()).safeParse(content ?? {})
  if (!mapping.success) throw new AgentError('bad_config', `${file} is not a mapping of settings`)
  return { dataDirectory: '.', ...mapping.data }
}

const isMapping = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const resolvePaths = (settings: Record<string, unknown>, base: string): Record<string, unknown> => {
  const resolved = { ...settings }
  for (const field of pathFields) {
    const value = resolved[field]
    if (typeof value === 'string') resolved[field] = resolve(base, value)
  }
  const { jwks, wasm, telemetryForward: forwards } = resolved
  if (isMapping(jwks)) resolved['jwks'] = resolvePaths(jwks, base)
  if (isMapping(wasm)) resolved['wasm'] = resolvePaths(wasm, base)
  if (Array.isArray(forwards))
    resolved.telemetryForward = forwards.map((each: unknown) => (isMapping(each) ? resolvePaths(each, base) : each))
  return resolved
}
