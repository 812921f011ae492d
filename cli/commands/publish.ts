import type { Command } from 'commander'
import { createPublishGrant, listPublishGrants, revokePublishGrant } from '#api/routes/publish-grants.ts'
import type { CliContext } from '../cli-context.ts'
import { toKind } from '../configuration/object-arguments.ts'
import { addExamples } from '../examples.ts'
import { collect, toListView } from '../output/list-view.ts'

interface GrantOptions {
  readonly cluster: string
  readonly namespace: string
  readonly kind: string
}

export const definePublish = (group: Command, context: CliContext): void => {
  addExamples(
    group
      .command('grant')
      .description('Let a cluster publish objects of its own that have the annotation atoll.dev/publish: mesh.')
      .requiredOption('--cluster <name>', 'the cluster that has the objects')
      .requiredOption('--namespace <name>', 'the namespace that they are in, or "*"')
      .requiredOption('--kind <kind>', 'their kind, such as VirtualService or vs, or "*"')
      .action((options: GrantOptions) => grant(context, options)),
    [
      ['atoll publish grant --cluster east --namespace shop --kind VirtualService', 'one kind in one namespace'],
      ["atoll publish grant --cluster east --namespace shop --kind '*'", 'every kind that can be published'],
    ],
  )
  addExamples(
    group
      .command('list')
      .description('List what clusters may publish.')
      .option('--cluster <name>', 'only this cluster')
      .action((options: { readonly cluster?: string }) => list(context, options.cluster)),
    [['atoll publish list', 'the grants of the mesh in use']],
  )
  addExamples(
    group
      .command('revoke')
      .description('Revoke a grant: what was published by it alone is withdrawn, as a revision.')
      .argument('<id>')
      .action((id: string) => revoke(context, id)),
    [['atoll publish revoke 4f9aK2', 'by its id in "atoll publish list"']],
  )
}

const grant = async (context: CliContext, { cluster, namespace, kind }: GrantOptions): Promise<void> => {
  const json = { cluster, namespace, kind: kind === '*' ? kind : await toKind(kind) }
  const made = await context.client().call(createPublishGrant, { params: { mesh: await context.mesh() }, json })
  await context.print({
    value: made,
    names: [made.id],
    table: () => `Cluster ${cluster} may publish ${toWhat(made)}: grant ${made.id}`,
  })
}

const toWhat = ({ namespace, kind }: Pick<GrantOptions, 'namespace' | 'kind'>): string =>
  `${kind === '*' ? 'objects of every kind' : `${kind}s`} in ${namespace === '*' ? 'every namespace' : `namespace ${namespace}`}`

const list = async (context: CliContext, cluster: string | undefined): Promise<void> => {
  const mesh = await context.mesh()
  const all = await collect(context.client().list(listPublishGrants, { params: { mesh } }))
  const grants = all.filter((each) => cluster === undefined || each.cluster === cluster)
  await context.print(
    toListView(grants, {
      headings: ['ID', 'CLUSTER', 'NAMESPACE', 'KIND', 'GRANTED'],
      row: (each) => [each.id, each.cluster, each.namespace, each.kind, each.createdAt],
      name: (each) => each.id,
      empty:
        cluster === undefined
          ? `No cluster of mesh ${mesh} may publish anything. See "atoll publish grant --help".`
          : `Cluster ${cluster} may publish nothing. See "atoll publish grant --help".`,
    }),
  )
}

const revoke = async (context: CliContext, id: string): Promise<void> => {
  await context.client().call(revokePublishGrant, { params: { mesh: await context.mesh(), id } })
  await context.print({ value: { id, revoked: true }, names: [id], table: () => `Grant ${id} is revoked` })
}
