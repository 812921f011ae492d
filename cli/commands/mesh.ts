import { Option } from 'commander'
import type { Command } from 'commander'
import { createMesh, deleteMesh, getMesh, listMeshes, updateMesh } from '#api/routes/meshes.ts'
import type { Mesh, UpdateMeshBody } from '#api/schemas/meshes.ts'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import { settingsFields } from '#mesh/settings.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { readMeshConfigFile } from '../configuration/mesh-config-file.ts'
import { confirmByName } from '../confirm.ts'
import { addExamples } from '../examples.ts'
import { parseWholeNumber } from '../number-option.ts'
import { collect, toListView } from '../output/list-view.ts'
import { toFields } from '../output/table.ts'
import type { View } from '../output/view.ts'

interface SettingsOptions {
  readonly meshConfig?: string
  readonly outboundPolicy?: 'allow-any' | 'registry-only'
  readonly inboundMtls?: UpdateMeshBody['inboundMtls']
  readonly proxyHttpPort?: number
  readonly domainSuffix?: string
  readonly rootNamespace?: string
}

const addSettings = (command: Command): Command =>
  command
    .option(
      '--mesh-config <file>',
      "Istio's MeshConfig, in place of what was set before: a file of its own, the ConfigMap istio or an IstioOperator",
    )
    .addOption(
      new Option('--outbound-policy <policy>', 'what proxies do with destinations that the mesh does not know').choices(
        ['allow-any', 'registry-only'],
      ),
    )
    .addOption(
      new Option('--inbound-mtls <mode>', 'whether sidecars also take plaintext').choices(
        settingsFields.shape.inboundMtls.unwrap().options,
      ),
    )
    .option('--proxy-http-port <port>', "port of the sidecars' HTTP proxy; 0 = none", parseWholeNumber)
    .option('--domain-suffix <name>', "end of the services' host names")
    .option('--root-namespace <name>', 'namespace whose objects hold for all namespaces')

export const defineMesh = (group: Command, context: CliContext): void => {
  addExamples(
    addSettings(
      group
        .command('create')
        .description('Make a mesh, with its root of trust, and use it from now on.')
        .argument('<name>')
        .option('--trust-domain <name>', 'SPIFFE trust domain, for good'),
    ).action((name: string, options: CreateOptions) => create(context, name, options)),
    [['atoll mesh create prod --trust-domain prod.acme.example', 'identities read spiffe://prod.acme.example/…']],
  )
  addExamples(
    group
      .command('list')
      .description('List the meshes.')
      .action(() => list(context)),
    [['atoll mesh list -o name', 'names only']],
  )
  addExamples(
    group
      .command('show')
      .description('Show a mesh and its settings.')
      .argument('[name]', 'the mesh in use, when absent')
      .action((name?: string) => show(context, name)),
    [['atoll mesh show prod -o yaml', 'everything about it']],
  )
  addExamples(
    group
      .command('use')
      .description("Make it the profile's mesh: the one that commands are for.")
      .argument('<name>')
      .action((name: string) => use(context, name)),
    [['atoll mesh use prod', 'until another one is used']],
  )
  addExamples(
    addSettings(
      group.command('set').description('Change settings of a mesh.').argument('[name]', 'the mesh in use, when absent'),
    ).action((name: string | undefined, options: SettingsOptions) => set(context, name, options)),
    [
      ['atoll mesh set prod --outbound-policy registry-only', 'unknown destinations are refused'],
      ['kubectl get configmap istio -n istio-system -o yaml | atoll mesh set prod --mesh-config -', "Istio's settings"],
    ],
  )
  addExamples(
    group
      .command('delete')
      .description('Delete a mesh, its configuration and its root of trust.')
      .argument('<name>')
      .option('--yes', 'do not ask')
      .action((name: string, options: { readonly yes?: true }) => remove(context, name, options)),
    [['atoll mesh delete staging', 'after its clusters were evicted']],
  )
}

type CreateOptions = SettingsOptions & { readonly trustDomain?: string }

const create = async (context: CliContext, name: string, { trustDomain, ...options }: CreateOptions): Promise<void> => {
  const mesh = await context.client().call(createMesh, {
    json: { name, ...(trustDomain !== undefined && { trustDomain }), ...(await toChanges(context, options)) },
  })
  remember(context, name)
  context.noteProblems(mesh.problems)
  await context.print({
    ...toMeshView(mesh),
    table: () => `Mesh ${name} is there, with trust domain ${mesh.settings.trustDomain}`,
  })
}

/** Commands without a stored profile (ATOLL_URL and ATOLL_TOKEN) have nothing to remember in. */
const remember = (context: CliContext, mesh: string): void => {
  const { name, profile } = context.profile()
  if (profile !== undefined && profile.url === context.connection().url)
    context.profiles.save(name, { ...profile, mesh })
}

const list = async (context: CliContext): Promise<void> => {
  const meshes = await collect(context.client().list(listMeshes, {}))
  await context.print(
    toListView(meshes, {
      headings: ['NAME', 'TRUST DOMAIN', 'CLUSTERS', 'REVISION', 'CREATED'],
      row: (mesh) => [
        mesh.name,
        mesh.settings.trustDomain,
        String(mesh.clusters),
        String(mesh.revision),
        mesh.createdAt,
      ],
      name: (mesh) => mesh.name,
      empty: 'There is no mesh yet. Make one with "atoll mesh create NAME".',
    }),
  )
}

const show = async (context: CliContext, name: string | undefined): Promise<void> => {
  await context.print(
    toMeshView(await context.client().call(getMesh, { params: { mesh: name ?? (await context.mesh()) } })),
  )
}

const use = async (context: CliContext, name: string): Promise<void> => {
  const mesh = await context.client().call(getMesh, { params: { mesh: name } })
  remember(context, name)
  await context.print({ ...toMeshView(mesh), table: () => `Commands are for mesh ${name} now` })
}

const set = async (context: CliContext, name: string | undefined, options: SettingsOptions): Promise<void> => {
  if (Object.keys(options).length === 0)
    throw new CliError('usage', 'There is nothing to set', { remedy: 'See --help.' })
  const params = { mesh: name ?? (await context.mesh()) }
  const client = context.client()
  const { meshConfig, ...others } = await toChanges(context, options)
  const before = options.meshConfig === undefined ? {} : (await client.call(getMesh, { params })).settings.meshConfig
  const json = { ...others, ...(meshConfig && { meshConfig: { ...toAbsent(before), ...meshConfig } }) }
  const changed = await client.call(updateMesh, { params, json })
  context.noteProblems(changed.problems)
  await context.print(toMeshView(changed))
}

/** A file says all of it: what was set before, and the file does not name, has its default again. */
const toAbsent = (before: Mesh['settings']['meshConfig']) =>
  Object.fromEntries(Object.keys(before).map((field) => [field, null]))

const remove = async (context: CliContext, name: string, options: { readonly yes?: true }): Promise<void> => {
  await confirmByName(context, name, `Mesh ${name}, its configuration and its root of trust will be gone`, options)
  await context.client().call(deleteMesh, { params: { mesh: name } })
  await context.print({ value: { name, deleted: true }, names: [name], table: () => `Mesh ${name} is gone` })
}

/** Options stand before what the file says of the same. */
const toChanges = async (
  context: CliContext,
  { meshConfig: file, outboundPolicy, proxyHttpPort, rootNamespace, ...others }: SettingsOptions,
): Promise<UpdateMeshBody> => {
  const meshConfig = {
    ...(file !== undefined && (await readMeshConfigFile(file, context))),
    ...(outboundPolicy && { outboundTrafficPolicy: { mode: outboundPolicy.toUpperCase().replace('-', '_') } }),
    ...(proxyHttpPort !== undefined && { proxyHttpPort }),
    ...(rootNamespace !== undefined && { rootNamespace }),
  }
  return { ...others, ...((file !== undefined || Object.keys(meshConfig).length > 0) && { meshConfig }) }
}

const toMeshView = (mesh: Mesh): View => ({
  value: mesh,
  names: [mesh.name],
  table: () => {
    const meshConfig = readMeshConfig(mesh.settings.meshConfig)
    return toFields([
      ['Name', mesh.name],
      ['Id', mesh.id],
      ['Trust domain', mesh.settings.trustDomain],
      ['Clusters', String(mesh.clusters)],
      ['Revision', String(mesh.revision)],
      ['Outbound policy', meshConfig.outboundTrafficPolicy.mode],
      ['Inbound mTLS', mesh.settings.inboundMtls],
      ['HTTP proxy port', String(meshConfig.proxyHttpPort)],
      ['Domain suffix', mesh.settings.domainSuffix],
      ['Root namespace', meshConfig.rootNamespace],
      ['MeshConfig', Object.keys(mesh.settings.meshConfig).join(', ') || 'all defaults'],
      ['Created', mesh.createdAt],
    ])
  },
})
