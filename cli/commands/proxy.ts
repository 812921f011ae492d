import type { Command } from 'commander'
import { getProxyConfig } from '#api/routes/proxies.ts'
import type { ProxyConfig } from '#mesh/uplink.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import { toListView } from '../output/list-view.ts'
import { findProxies } from './proxies.ts'

interface ConfigOptions {
  readonly cluster?: string
  readonly type?: string
  readonly resource?: string
}

export const defineProxy = (group: Command, context: CliContext): void => {
  const command = group
    .command('config')
    .description('Show the Envoy resources that a proxy is served, without secrets.')
    .argument('<name>', 'ROLE/NAMESPACE/WORKLOAD, as in "atoll proxies", or WORKLOAD')
    .option('--cluster <name>', 'its cluster, when proxies of several clusters have that name')
    .option('--type <type>', 'only resources of this type, such as Listener or Cluster')
    .option('--resource <name>', 'only the resource of this name')
    .action((name: string, options: ConfigOptions) => showConfig(context, name, options))
  addExamples(command, [
    ['atoll proxy config sidecar/default/frontend', 'a table of its resources'],
    ['atoll proxy config frontend --type VirtualHost -o yaml', 'its virtual hosts in full'],
  ])
}

const toTypeName = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('.') + 1)

const showConfig = async (context: CliContext, name: string, options: ConfigOptions): Promise<void> => {
  const proxy = await findProxy(context, name, options.cluster)
  const params = { mesh: await context.mesh(), ...proxy }
  const config: ProxyConfig = await context.client().call(getProxyConfig, { params })
  const wanted = config.resources.filter(
    (resource) =>
      (options.type === undefined || toTypeName(resource.typeUrl).toLowerCase() === options.type.toLowerCase()) &&
      (options.resource === undefined || resource.name === options.resource),
  )
  const view = toListView(wanted, {
    headings: ['TYPE', 'NAME', 'VERSION'],
    row: (resource) => [toTypeName(resource.typeUrl), resource.name, resource.version],
    name: (resource) => resource.name,
    empty: 'There are no such resources.',
  })
  await context.print({ ...view, value: { ...config, resources: wanted } })
}

/** A full name in a named cluster needs no search. */
const findProxy = async (
  context: CliContext,
  name: string,
  cluster: string | undefined,
): Promise<{ cluster: string; name: string }> => {
  if (cluster !== undefined && name.includes('/')) return { cluster, name }
  const { proxies } = await findProxies(context, cluster)
  const found = proxies.filter((proxy) => proxy.name === name || proxy.workload === name)
  const [first, second] = found
  if (first === undefined)
    throw new CliError('notFound', `No connected proxy is called ${name}`, { remedy: 'See "atoll proxies".' })
  if (second !== undefined) {
    const names = found.map((proxy) => `${proxy.name} --cluster ${proxy.cluster}`)
    throw new CliError('usage', `Several proxies are called ${name}`, { remedy: `Say which: ${names.join(', ')}.` })
  }
  return { cluster: first.cluster, name: first.name }
}
