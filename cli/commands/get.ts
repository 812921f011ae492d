import type { Command } from 'commander'
import { getConfigurationObject, listConfiguration } from '#api/routes/configuration.ts'
import type { ObjectStatus, StoredObject } from '#api/schemas/configuration.ts'
import type { CliContext } from '../cli-context.ts'
import { toKind, toObjectName } from '../configuration/object-arguments.ts'
import { toRoughDuration } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { collect, toListView } from '../output/list-view.ts'
import type { ListShape } from '../output/list-view.ts'

export const defineGet = (command: Command, context: CliContext): void => {
  command
    .argument('[kind]', 'such as VirtualService, virtualservices or vs; or KIND/NAME')
    .argument('[name]', 'of one object')
    .option('-n, --namespace <name>', 'only this namespace; for one object default: "default"')
    .action((kind: string | undefined, name: string | undefined, options: { readonly namespace?: string }) =>
      get(context, kind, name, options.namespace),
    )
  addExamples(command, [
    ['atoll get', 'everything'],
    ['atoll get vs -n shop', 'the VirtualServices of a namespace'],
    ['atoll get vs reviews -n shop', 'one object, and what is wrong with it in which cluster'],
    ['atoll get vs reviews -n shop -o yaml', 'the same, as it can be applied again'],
    ['atoll get -o yaml > backup.yaml', 'all of them, for "atoll apply -f backup.yaml"'],
  ])
}

const get = async (
  context: CliContext,
  kind: string | undefined,
  name: string | undefined,
  namespace: string | undefined,
): Promise<void> => {
  const mesh = await context.mesh()
  const shape = toShape(context.io.now())
  if (kind !== undefined && (name !== undefined || kind.includes('/'))) {
    const params = { mesh, ...(await toObjectName(kind, name, namespace)) }
    const stored = await context.client().call(getConfigurationObject, { params })
    const { object, status = [] } = stored
    const view = toListView([stored], shape)
    return context.print({
      ...view,
      value: status.length === 0 ? object : { ...object, status: { clusters: status } },
      table: (paint) => [view.table(paint), ...toStatusLines(status)].join('\n'),
    })
  }
  const query = {
    ...(kind !== undefined && { kind: await toKind(kind) }),
    ...(namespace !== undefined && { namespace }),
  }
  const objects = await collect(context.client().list(listConfiguration, { params: { mesh }, query }))
  // A list that `atoll apply` and kubectl take.
  const value = { apiVersion: 'v1', kind: 'List', items: objects.map((stored) => stored.object) }
  await context.print({ ...toListView(objects, shape), value })
}

const toStatusLines = (status: readonly ObjectStatus[]): readonly string[] =>
  status.flatMap(({ cluster, conditions }) =>
    conditions.map(({ type, status: value, reason, message }) =>
      `${cluster}: ${type}=${value} (${reason}) ${message}`.trimEnd(),
    ),
  )

const toShape = (now: number): ListShape<StoredObject> => ({
  headings: ['KIND', 'NAMESPACE', 'NAME', 'REVISION', 'CHANGED', 'PUBLISHED BY'],
  row: ({ object, revision, updatedAt, publishedBy }) => [
    object.kind,
    object.metadata.namespace,
    object.metadata.name,
    String(revision),
    `${toRoughDuration(now - Date.parse(updatedAt))} ago`,
    publishedBy ?? '',
  ],
  name: (stored) => stored.key,
  empty: 'There are no objects.',
})
