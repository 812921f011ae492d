import type { Command } from 'commander'
import { meshSettings } from '#mesh/settings.ts'
import type { Proxy } from '#xds/proxy.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { readConfiguration } from '../configuration/configuration-files.ts'
import type { OfflineResource } from '../configuration/offline-compile.ts'
import { parseConfiguration } from '../configuration/parse-configuration.ts'
import { addExamples } from '../examples.ts'

interface DiffOptions {
  readonly before: readonly string[]
  readonly after: readonly string[]
  readonly proxy: Proxy
  readonly trustDomain: string
  readonly domainSuffix: string
  readonly namespace?: string
  readonly exitCode?: true
}

export const defineXds = (group: Command, context: CliContext): void => {
  const command = group
    .command('diff')
    .description(
      'Compile files for a proxy, here and without a plane, and show how its Envoy resources differ. Services, ServiceEntries and WorkloadEntries among the objects are what runs in the cluster.',
    )
    .requiredOption('--before <path...>', 'files and folders as they are')
    .requiredOption('--after <path...>', 'files and folders as they would be')
    .requiredOption('--proxy <name>', 'ROLE/NAMESPACE/WORKLOAD, such as sidecar/default/frontend', parseProxy)
    .option('--trust-domain <name>', "the mesh's SPIFFE trust domain", 'offline.example')
    .option('--domain-suffix <name>', "end of the services' host names", 'cluster.local')
    .option('-n, --namespace <name>', 'for objects that name none; default: "default"')
    .option('--exit-code', 'exit with 3 when there is a difference')
    .action((options: DiffOptions) => diff(context, options))
  addExamples(command, [
    ['atoll xds diff --before main/ --after branch/ --proxy sidecar/default/frontend', 'what a change means to Envoy'],
  ])
}

const parseProxy = (text: string): Proxy => {
  const [role, namespace, workload, ...rest] = text.split('/')
  const isRole = role === 'sidecar' || role === 'east-west-gateway'
  if (!isRole || namespace === undefined || workload === undefined || rest.length > 0) {
    throw new CliError('usage', `${text} is not the name of a proxy`, {
      remedy: 'It reads sidecar/NAMESPACE/WORKLOAD or east-west-gateway/NAMESPACE/NAME.',
    })
  }
  return { role, namespace, workload, serviceAccount: 'default' }
}

const diff = async (context: CliContext, options: DiffOptions): Promise<void> => {
  const before = await compile(context, options.before, options)
  const after = await compile(context, options.after, options)
  const keys = [...new Set([...before.keys(), ...after.keys()])]
  const differences = keys.flatMap((key) => {
    const [left, right] = [before.get(key), after.get(key)]
    if (JSON.stringify(left?.json) === JSON.stringify(right?.json)) return []
    const { type, name } = left ?? right ?? { type: '', name: '' }
    return [{ type, name, before: left?.json ?? null, after: right?.json ?? null }]
  })
  const { toDiffText } = await import('../output/object-diff-text.ts')
  await context.print({
    value: { items: differences },
    names: differences.map(({ name }) => name),
    table: (paint) =>
      differences.length === 0
        ? 'There is no difference.'
        : differences
            .map(({ type, name, ...sides }) =>
              toDiffText(`${type.slice(type.lastIndexOf('.') + 1)} ${name}`, sides.before, sides.after, paint),
            )
            .join('\n'),
  })
  if (options.exitCode === true && differences.length > 0) throw new CliError('notInSync', 'There are differences')
}

/** The resources that files give the proxy, by type and name. */
const compile = async (
  context: CliContext,
  paths: readonly string[],
  { proxy, trustDomain, domainSuffix, namespace }: DiffOptions,
): Promise<Map<string, OfflineResource>> => {
  const { objects } = await parseConfiguration(await readConfiguration(paths, context.io), namespace)
  const settings = meshSettings.parse({ meshId: 'offline', meshName: 'offline', trustDomain, domainSuffix })
  const { compileOffline } = await import('../configuration/offline-compile.ts')
  const { resources, problems } = compileOffline(
    objects.map(({ object }) => object),
    proxy,
    settings,
  )
  for (const problem of problems) context.note(`${paths.join(', ')}: ${problem}`)
  return new Map(resources.map((resource) => [`${resource.type} ${resource.name}`, resource]))
}
