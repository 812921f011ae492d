import { Option } from 'commander'
import type { Command } from 'commander'
import { createMesh, deleteMesh, getMesh, listMeshes, updateMesh } from '#api/routes/meshes.ts'
import type { ChangedMesh, Mesh, UpdateMeshBody } from '#api/schemas/meshes.ts'
import type { ShownProblem } from '#api/schemas/shown-problem.ts'
import { examineMeshConfig } from '#mesh/config/examine-mesh-config.ts'
import { readMeshConfig, withChangedFields, type WrittenMeshConfig } from '#mesh/config/mesh-config.ts'
import { defaultKeyAlgorithm, keyAlgorithm, type KeyAlgorithm } from '#mesh/key-algorithm.ts'
import { hasErrors } from '#mesh/problem.ts'
import { meshSettings, settingsFields } from '#mesh/settings.ts'
import { toEffectLines } from '../authz/effect-text.ts'
import { tryToForetell } from '../authz/foretell-effects.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import type { SubmittedMeshConfig } from '../configuration/mesh-config-file.ts'
import { findSettingChanges, toChangeText, type SettingChange } from '../configuration/setting-changes.ts'
import { withPlaces } from '../configuration/with-places.ts'
import { sinceOption } from '../configuration/write-options.ts'
import { confirmByName } from '../confirm.ts'
import { addExamples } from '../examples.ts'
import { parseWholeNumber } from '../number-option.ts'
import type { Paint } from '../output/colour.ts'
import { collect, toListView } from '../output/list-view.ts'
import { toProblemFields } from '../output/problem-fields.ts'
import { toFields } from '../output/table.ts'
import type { PlacedProblem } from '../output/problem-text.ts'
import type { View } from '../output/view.ts'

interface SettingsOptions {
  readonly meshConfig?: string
  readonly outboundPolicy?: 'allow-any' | 'registry-only'
  readonly inboundMtls?: UpdateMeshBody['inboundMtls']
  readonly proxyHttpPort?: number
  readonly domainSuffix?: string
  readonly logRetention?: number
  readonly traceRetention?: number
  readonly rootNamespace?: string
  readonly rootKey?: KeyAlgorithm
  readonly intermediateKey?: KeyAlgorithm
  readonly leafKey?: KeyAlgorithm
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
    .option('--log-retention <days>', 'how long access logs are kept', parseWholeNumber)
    .option('--trace-retention <days>', 'how long spans are kept', parseWholeNumber)
    .option('--root-namespace <name>', 'namespace whose objects hold for all namespaces')
    .addOption(new Option('--root-key <kind>', "what the next root's key is to be").choices(keyAlgorithm.options))
    .addOption(
      new Option('--intermediate-key <kind>', "what the keys of clusters' intermediates are to be").choices(
        keyAlgorithm.options,
      ),
    )
    .addOption(new Option('--leaf-key <kind>', "what workloads' keys are to be").choices(keyAlgorithm.options))

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
    )
      .option('--dry-run', 'check, and tell what would change, of --inbound-mtls also for which calls; change nothing')
      .addOption(sinceOption())
      .action((name: string | undefined, options: SetOptions) => set(context, name, options)),
    [
      ['atoll mesh set prod --outbound-policy registry-only', 'unknown destinations are refused'],
      ['kubectl get configmap istio -n istio-system -o yaml | atoll mesh set prod --mesh-config -', "Istio's settings"],
      [
        'atoll mesh set prod --mesh-config mesh-config.yaml --root-namespace istio-system --dry-run',
        'what would change',
      ],
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
  const file = await readFileOf(context, options)
  const request = context.client().call(createMesh, {
    json: { name, ...(trustDomain !== undefined && { trustDomain }), ...toChanges(options, file?.meshConfig) },
  })
  const { problems, ...mesh } = await withPlaces(request, placeIn(file))
  remember(context, name)
  const placed = [...(file?.problems ?? []), ...placeIn(file)(problems)]
  context.noteProblems(placed)
  await context.print({
    ...toMeshView(mesh, { problems: placed.map(toProblemFields) }),
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

type SetOptions = SettingsOptions & { readonly dryRun?: true; readonly since: number }

const set = async (
  context: CliContext,
  name: string | undefined,
  { dryRun, since, ...options }: SetOptions,
): Promise<void> => {
  if (Object.keys(options).length === 0)
    throw new CliError('usage', 'There is nothing to set', { remedy: 'See --help.' })
  const file = await readFileOf(context, options)
  const params = { mesh: name ?? (await context.mesh()) }
  const client = context.client()
  const before = await client.call(getMesh, { params })
  const { meshConfig, ...others } = toChanges(options, file?.meshConfig)
  const absent = file === undefined ? {} : toAbsent(before.settings.meshConfig)
  const json = { ...others, ...(meshConfig && { meshConfig: { ...absent, ...meshConfig } }) }
  const { problems, ...mesh } =
    dryRun === true
      ? toExpected(before, json)
      : await withPlaces(client.call(updateMesh, { params, json }), placeIn(file))
  const changes = findSettingChanges(before.settings, mesh.settings)
  for (const change of changes) context.note(toChangeText(change))
  if (changes.some(isOpening)) {
    const label = context.paintNotes('yellow', 'warning')
    context.note(`${label} destinations that the mesh does not know were refused, and are let through with ALLOW_ANY`)
  }
  const placed = [...(file?.problems ?? []), ...placeIn(file)(problems)]
  if (hasErrors(placed)) throw new CliError('invalid', 'The settings have errors', { problems: placed })
  context.noteProblems(placed)
  if (dryRun === true) context.note('Dry run: nothing was changed. The mesh would be:')
  const effects = dryRun === true ? await foretellSettings(context, before, mesh.settings, since) : undefined
  const view = toMeshView(mesh, { problems: placed.map(toProblemFields), changes, ...(effects && { effects }) })
  const table = (paint: Paint) =>
    [view.table(paint), ...(effects ? ['', ...toEffectLines(effects, paint)] : [])].join('\n')
  await context.print({ ...view, table })
}

/** What becomes of calls where PeerAuthentications leave it to the mesh how they may come. */
const foretellSettings = async (context: CliContext, before: Mesh, then: Mesh['settings'], since: number) => {
  if (before.settings.inboundMtls === then.inboundMtls) return undefined
  const settings = meshSettings.parse(then)
  return tryToForetell(context, before.name, { objects: [], deleted: [], settings }, since)
}

const isOpening = ({ field, before, after }: SettingChange): boolean =>
  field === 'outboundTrafficPolicy.mode' && before === 'REGISTRY_ONLY' && after === 'ALLOW_ANY'

/** What the plane would answer, if it is of this version. */
const toExpected = (mesh: Mesh, body: UpdateMeshBody): ChangedMesh => {
  const { trustDomain, domainSuffix, inboundMtls, logRetentionDays, traceRetentionDays, keys } = mesh.settings
  const meshConfig = withChangedFields(mesh.settings.meshConfig, body.meshConfig)
  const problems = [...examineMeshConfig(meshConfig, { name: mesh.name, trustDomain })]
  const own = {
    domainSuffix: body.domainSuffix ?? domainSuffix,
    inboundMtls: body.inboundMtls ?? inboundMtls,
    logRetentionDays: body.logRetentionDays ?? logRetentionDays,
    traceRetentionDays: body.traceRetentionDays ?? traceRetentionDays,
    keys: body.keys ? { ...keys, ...body.keys } : keys,
  }
  return { ...mesh, settings: { ...mesh.settings, ...own, meshConfig }, problems }
}

/** A file says all of it: what was set before, and the file does not name, has its default again. */
const toAbsent = (before: Mesh['settings']['meshConfig']) =>
  Object.fromEntries(Object.keys(before).map((field) => [field, null]))

const readFileOf = async (
  context: CliContext,
  { meshConfig: file }: SettingsOptions,
): Promise<SubmittedMeshConfig | undefined> => {
  if (file === undefined) return undefined
  // It loads the kinds of all objects, which most commands need not.
  const { readMeshConfigFile } = await import('../configuration/mesh-config-file.ts')
  return readMeshConfigFile(file, context.io)
}

const placeIn =
  (file: SubmittedMeshConfig | undefined) =>
  (problems: readonly ShownProblem[]): readonly PlacedProblem[] =>
    file?.place(problems) ?? problems

const remove = async (context: CliContext, name: string, options: { readonly yes?: true }): Promise<void> => {
  await confirmByName(context, name, `Mesh ${name}, its configuration and its root of trust will be gone`, options)
  await context.client().call(deleteMesh, { params: { mesh: name } })
  await context.print({ value: { name, deleted: true }, names: [name], table: () => `Mesh ${name} is gone` })
}

/** Options stand before what the file says of the same. */
const toChanges = (
  {
    outboundPolicy,
    inboundMtls,
    proxyHttpPort,
    domainSuffix,
    rootNamespace,
    logRetention,
    traceRetention,
    rootKey: root,
    intermediateKey: intermediate,
    leafKey: leaf,
  }: SettingsOptions,
  file: WrittenMeshConfig | undefined,
): UpdateMeshBody => {
  const meshConfig = {
    ...file,
    ...(outboundPolicy && { outboundTrafficPolicy: { mode: outboundPolicy.toUpperCase().replace('-', '_') } }),
    ...(proxyHttpPort !== undefined && { proxyHttpPort }),
    ...(rootNamespace !== undefined && { rootNamespace }),
  }
  const keys = { ...(root && { root }), ...(intermediate && { intermediate }), ...(leaf && { leaf }) }
  return {
    ...(Object.keys(keys).length > 0 && { keys }),
    ...(inboundMtls !== undefined && { inboundMtls }),
    ...(logRetention !== undefined && { logRetentionDays: logRetention }),
    ...(traceRetention !== undefined && { traceRetentionDays: traceRetention }),
    ...(domainSuffix !== undefined && { domainSuffix }),
    ...((file !== undefined || Object.keys(meshConfig).length > 0) && { meshConfig }),
  }
}

const toKeysText = ({ root, intermediate, leaf }: NonNullable<Mesh['settings']['keys']> = {}): string =>
  Object.entries({ root, intermediates: intermediate, workloads: leaf })
    .map(([of, key]) => `${of} ${key ?? defaultKeyAlgorithm}`)
    .join(', ')

const toMeshView = (mesh: Mesh, more: object = {}): View => ({
  value: { ...mesh, ...more },
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
      ['Retention', `logs ${mesh.settings.logRetentionDays ?? 7} d, spans ${mesh.settings.traceRetentionDays ?? 7} d`],
      ['Keys', toKeysText(mesh.settings.keys)],
      ['HTTP proxy port', String(meshConfig.proxyHttpPort)],
      ['Domain suffix', mesh.settings.domainSuffix],
      ['Root namespace', meshConfig.rootNamespace],
      ['MeshConfig', Object.keys(mesh.settings.meshConfig).join(', ') || 'all defaults'],
      ['Created', mesh.createdAt],
    ])
  },
})
