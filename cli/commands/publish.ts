import type { Command } from 'commander'
import { createPublishGrant, listPublishGrants, revokePublishGrant } from '#api/routes/publish-grants.ts'
import type { PublishGrant } from '#api/schemas/publish-grants.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { toKind } from '../configuration/object-arguments.ts'
import { addExamples } from '../examples.ts'
import { collect, toListView } from '../output/list-view.ts'

interface GrantOptions {
  readonly cluster: string
  readonly namespace: string
  readonly kind: string
}

const parts = ['cluster', 'namespace', 'kind'] as const
type Wanted = { readonly [Part in (typeof parts)[number]]?: string | undefined }

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
      .argument('[id]', 'the grant, by its id in "atoll publish list"')
      .option('--cluster <name>', 'instead of an id: the one grant of this cluster')
      .option('--namespace <name>', 'instead of an id: as it was granted, a name or "*"')
      .option('--kind <kind>', 'instead of an id: as it was granted, a kind or "*"')
      .action((id: string | undefined, options: Partial<GrantOptions>) => revoke(context, id, options)),
    [
      ['atoll publish revoke 4f9aK2', 'by its id in "atoll publish list"'],
      ['atoll publish revoke --cluster east --namespace shop --kind vs', 'by what was granted'],
    ],
  )
}

const grant = async (context: CliContext, { cluster, namespace, kind }: GrantOptions): Promise<void> => {
  const json = { cluster, namespace, kind: await toGrantKind(kind) }
  const made = await context.client().call(createPublishGrant, { params: { mesh: await context.mesh() }, json })
  await context.print({
    value: made,
    names: [made.id],
    table: () => `Cluster ${cluster} may publish ${toWhat(made)}: grant ${made.id}`,
  })
}

const toGrantKind = async (text: string): Promise<string> => (text === '*' ? text : toKind(text))

const toWhat = ({ namespace, kind }: Pick<GrantOptions, 'namespace' | 'kind'>): string =>
  `${kind === '*' ? 'objects of every kind' : `${kind}s`} in ${namespace === '*' ? 'every namespace' : `namespace ${namespace}`}`

const list = async (context: CliContext, cluster: string | undefined): Promise<void> => {
  const mesh = await context.mesh()
  const grants = await findGrants(context, mesh, { cluster })
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

/** All that are as wanted; what is not said may be anything. */
const findGrants = async (context: CliContext, mesh: string, wanted: Wanted): Promise<PublishGrant[]> => {
  const all = await collect(context.client().list(listPublishGrants, { params: { mesh } }))
  return all.filter((each) => parts.every((part) => wanted[part] === undefined || wanted[part] === each[part]))
}

const revoke = async (
  context: CliContext,
  given: string | undefined,
  options: Partial<GrantOptions>,
): Promise<void> => {
  const mesh = await context.mesh()
  const id = await toGrantId(context, mesh, given, options)
  await context.client().call(revokePublishGrant, { params: { mesh, id } })
  await context.print({ value: { id, revoked: true }, names: [id], table: () => `Grant ${id} is revoked` })
}

/** A grant is named by its id, or by as much of what was granted as tells it from the others. */
const toGrantId = async (
  context: CliContext,
  mesh: string,
  id: string | undefined,
  { cluster, namespace, kind }: Partial<GrantOptions>,
): Promise<string> => {
  const wanted = { cluster, namespace, kind: kind === undefined ? undefined : await toGrantKind(kind) }
  const isDescribed = parts.some((part) => wanted[part] !== undefined)
  if (id !== undefined && isDescribed)
    throw new CliError('usage', 'The grant is named twice, by its id and by what was granted', {
      remedy: 'Say one of the two.',
    })
  if (id !== undefined) return id
  if (!isDescribed)
    throw new CliError('usage', 'Which grant?', {
      remedy: 'Say its id in "atoll publish list", or --cluster, --namespace and --kind as it was granted.',
    })
  const [found, ...others] = await findGrants(context, mesh, wanted)
  const description = parts
    .flatMap((part) => (wanted[part] === undefined ? [] : [`${part} ${wanted[part]}`]))
    .join(', ')
  if (!found)
    throw new CliError('notFound', `There is no grant for ${description} in mesh ${mesh}`, {
      remedy: 'It is revoked as it was granted: "*" is not every grant, but the one for "*". See "atoll publish list".',
    })
  if (others.length > 0)
    throw new CliError('usage', `Several grants are for ${description}`, {
      remedy: `Say the id of one: ${[found, ...others].map((each) => `${each.id} (${toPlace(each)})`).join(', ')}.`,
    })
  return found.id
}

const toPlace = ({ cluster, namespace, kind }: PublishGrant): string => `${cluster}, ${namespace}, ${kind}`
