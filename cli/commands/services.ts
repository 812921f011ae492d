import type { Command } from 'commander'
import { getService, listServices } from '#api/routes/services.ts'
import type { ServiceDetail } from '#api/schemas/services.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import type { Paint } from '../output/colour.ts'
import { collect, toListView } from '../output/list-view.ts'
import { toProblemLines } from '../output/problem-text.ts'
import { toFields, toTable } from '../output/table.ts'

interface ServicesOptions {
  readonly namespace?: string
  readonly cluster?: string
}

export const defineServices = (command: Command, context: CliContext): void => {
  command
    .argument('[name]', 'host name, NAMESPACE/HOST, or the first part of the host name')
    .option('-n, --namespace <name>', 'only this namespace')
    .option('--cluster <name>', 'only what this cluster offers')
    .action((name: string | undefined, options: ServicesOptions) =>
      name === undefined ? list(context, options) : show(context, name, options),
    )
  addExamples(command, [
    ['atoll services', 'all of them'],
    ['atoll services reviews', 'its endpoints in every cluster'],
    ['atoll services --cluster west -o json', 'what one cluster offers'],
  ])
}

const find = async (context: CliContext, mesh: string, options: ServicesOptions) =>
  collect(context.client().list(listServices, { params: { mesh }, query: { ...options } }))

const list = async (context: CliContext, options: ServicesOptions): Promise<void> => {
  const services = await find(context, await context.mesh(), options)
  await context.print(
    toListView(services, {
      headings: ['NAMESPACE', 'HOST', 'PORTS', 'CLUSTERS', 'HEALTHY'],
      row: (service) => [
        service.namespace,
        service.hostname,
        service.ports.map((port) => `${port.number}/${port.protocol}`).join(','),
        service.clusters.map(({ cluster }) => cluster).join(','),
        `${total(service.clusters, 'healthy')}/${total(service.clusters, 'endpoints')}`,
      ],
      name: (service) => service.key,
      empty: 'There are no services.',
    }),
  )
}

const total = (clusters: ServiceDetail['clusters'], count: 'healthy' | 'endpoints'): number =>
  clusters.reduce((sum, cluster) => sum + cluster[count], 0)

const show = async (context: CliContext, name: string, options: ServicesOptions): Promise<void> => {
  const mesh = await context.mesh()
  const services = await find(context, mesh, options)
  const exact = services.filter(({ key, hostname }) => key === name || hostname === name)
  const [found, another] = exact.length > 0 ? exact : services.filter(({ hostname }) => hostname.startsWith(`${name}.`))
  if (found === undefined)
    throw new CliError('notFound', `There is no service ${name}`, { remedy: 'See "atoll services".' })
  if (another !== undefined) {
    throw new CliError('usage', `Several services are called ${name}`, {
      remedy: `Say which: ${found.key}, ${another.key}, …`,
    })
  }
  const { namespace, hostname } = found
  const detail = await context.client().call(getService, { params: { mesh, namespace, hostname } })
  await context.print({ value: detail, names: [detail.service.key], table: (paint) => toDetailText(detail, paint) })
}

const toDetailText = (detail: ServiceDetail, paint: Paint): string => {
  const { service, clusters, drift = [], endpoints, endpointsLeftOut } = detail
  const fields = toFields([
    ['Host', service.hostname],
    ['Namespace', service.namespace],
    ['Ports', service.ports.map((port) => `${port.name || port.number} ${port.number}/${port.protocol}`).join(', ')],
    ...(service.aliasOf === undefined ? [] : [['Alias of', service.aliasOf] as const]),
    ['Location', service.location],
    ...clusters.map(
      (cluster) =>
        [
          'Cluster',
          `${cluster.cluster} on ${cluster.network}: ${cluster.healthy} of ${cluster.endpoints} healthy${cluster.contribution === 'live' ? '' : paint('yellow', `, ${cluster.contribution}`)}`,
        ] as const,
    ),
  ])
  const table = toTable(
    ['CLUSTER', 'ENDPOINT', 'ADDRESS', 'PORTS', 'HEALTH', 'LOCALITY', 'SERVICE ACCOUNT'],
    endpoints.map((endpoint) => [
      endpoint.cluster,
      endpoint.id,
      endpoint.address,
      Object.entries(endpoint.ports)
        .map(([port, number]) => `${port}:${number}`)
        .join(','),
      paint(endpoint.health === 'healthy' ? 'green' : 'red', endpoint.health),
      endpoint.locality,
      endpoint.serviceAccount ?? '',
    ]),
  )
  return [
    fields,
    ...toProblemLines(drift, paint),
    table,
    ...(endpointsLeftOut === 0 ? [] : [`and ${endpointsLeftOut} more endpoints`]),
  ].join('\n')
}
