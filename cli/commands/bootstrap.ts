import { mkdirSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { basename, join, resolve } from 'node:path'
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { getTrust } from '#api/routes/trust.ts'
import { clusterName, trustDomain } from '#mesh/names.ts'
import type { TrustDomain } from '#mesh/names.ts'
import { attemptRead } from '../attempt-read.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import { parsePort } from '../number-option.ts'
import { writePrivateFile } from '../private-file.ts'

interface BootstrapOptions {
  readonly tokenFile: string
  readonly agent: HostPort
  readonly cluster: string
  readonly out: string
  readonly name?: string
  readonly address?: string
  readonly admin?: HostPort
  readonly root?: string
  readonly trustDomain?: string
}

interface HostPort {
  readonly host: string
  readonly port: number
}

/** What Envoy sends as its authorization: the token as a header's value. */
const AUTHORIZATION_FILE = 'authorization'
/** sun_path of unix(7), with its final zero. */
const MAX_SOCKET_PATH = 107

export const defineBootstrap = (command: Command, context: CliContext): void => {
  command
    .requiredOption('--token-file <file>', 'the machine token of "atoll machine token create --out"')
    .requiredOption('--agent <host:port>', 'where the agent serves its proxies', parseHostPort)
    .requiredOption('--cluster <name>', 'the cluster of that agent')
    .requiredOption('--out <folder>', 'where the files go')
    .option(
      '--address <ip>',
      "the machine's address in the mesh, from which its proxy connects to the agent; a WorkloadGroup's machine is known by it",
      parseAddress,
    )
    .option('--name <text>', "what the proxy is called in Envoy's own log; default: name of the folder")
    .option(
      '--admin <host:port>',
      "Envoy's admin interface; default: the socket admin.sock in the folder",
      parseHostPort,
    )
    .option(
      '--root <file>',
      "root certificates (PEM), instead of asking the plane for the mesh's; needs --trust-domain",
    )
    .option('--trust-domain <name>', 'with --root: the trust domain of the mesh')
    .action((options: BootstrapOptions) => bootstrap(context, options))
  addExamples(command, [
    [
      'atoll bootstrap --token-file reviews/token --agent 10.0.0.1:15010 --cluster east --out reviews',
      'writes reviews/envoy.yaml',
    ],
    [
      'atoll bootstrap --token-file token --agent 10.0.0.1:15010 --cluster east --address 10.0.0.4 --out reviews',
      'for a machine with several addresses, of a WorkloadGroup',
    ],
    ['envoy -c reviews/envoy.yaml --drain-time-s 10', 'starts it'],
  ])
}

const parseHostPort = (text: string): HostPort => {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^:/]+):(\d+)$/.exec(text) ?? []
  if (host === undefined || port === undefined) throw new InvalidArgumentError('It reads HOST:PORT.')
  return { host: host.replace(/^\[|\]$/g, ''), port: parsePort(port) }
}

const parseAddress = (text: string): string => {
  if (isIP(text) === 0) throw new InvalidArgumentError('It is no IP address.')
  return text
}

const bootstrap = async (context: CliContext, options: BootstrapOptions): Promise<void> => {
  const directory = resolve(options.out)
  const token = readToken(options.tokenFile)
  const { domain, rootsPem } = await findRoots(context, options)
  const { buildBootstrap } = await import('#xds/bootstrap.ts')
  const files = buildBootstrap({
    proxyName: options.name ?? basename(directory),
    cluster: clusterName.parse(options.cluster),
    trustDomain: domain,
    agent: options.agent,
    ...(options.address !== undefined && { address: options.address }),
    reportsHealth: true,
    rootsPem,
    directory,
    tokenFile: join(directory, AUTHORIZATION_FILE),
    admin: toAdmin(directory, options.admin),
  })
  mkdirSync(directory, { recursive: true })
  // Each by a rename: a running Envoy then reads new roots and a new token by itself.
  for (const { name, content } of files) writePrivateFile(join(directory, name), content)
  writePrivateFile(join(directory, AUTHORIZATION_FILE), `Bearer ${token}`)
  const start = `envoy -c ${join(options.out, 'envoy.yaml')} --drain-time-s 10`
  await context.print({
    value: { directory, files: [...files.map(({ name }) => name), AUTHORIZATION_FILE], start },
    names: [directory],
    table: () => `The proxy's files are in ${options.out}. Start it with\n  ${start}`,
  })
}

const toAdmin = (directory: string, admin: HostPort | undefined): { address: string; port: number } => {
  if (admin !== undefined) return { address: admin.host, port: admin.port }
  const socket = join(directory, 'admin.sock')
  if (Buffer.byteLength(socket) <= MAX_SOCKET_PATH) return { address: `unix://${socket}`, port: 0 }
  throw new CliError('usage', `${socket} is too long for the path of a socket`, {
    remedy: 'Say --admin 127.0.0.1:PORT.',
  })
}

const readFile = (path: string): string => attemptRead(path, () => readFileSync(path, 'utf8'))

const readToken = (path: string): string => {
  const token = readFile(path).trim()
  if (/^atoll_machine_[\w-]+$/.test(token)) return token
  throw new CliError('usage', `${path} does not hold a machine token`, {
    remedy: 'Make one with "atoll machine token create".',
  })
}

const findRoots = async (
  context: CliContext,
  { root, trustDomain: domain }: BootstrapOptions,
): Promise<{ readonly domain: TrustDomain; readonly rootsPem: readonly string[] }> => {
  if (root === undefined) {
    const trust = await context.client().call(getTrust, { params: { mesh: await context.mesh() } })
    return { domain: trust.trustDomain, rootsPem: trust.roots.map(({ pem }) => pem) }
  }
  if (domain === undefined)
    throw new CliError('usage', 'With --root the trust domain is not known', { remedy: 'Say --trust-domain.' })
  return { domain: trustDomain.parse(domain), rootsPem: [readFile(root)] }
}
