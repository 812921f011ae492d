import { existsSync, realpathSync } from 'node:fs'
import type { ShownProblem } from '#api/schemas/shown-problem.ts'
import { examineMeshConfig } from '#mesh/config/examine-mesh-config.ts'
import { toObjectName } from '#mesh/config/examine-object.ts'
import type { WrittenMeshConfig } from '#mesh/config/mesh-config.ts'
import { parsePathText, toPathText } from '#mesh/config/to-problems.ts'
import { readItems, type SubmittedItem } from '#mesh/documents/read-items.ts'
import { readYaml } from '#mesh/documents/read-yaml.ts'
import type { Path } from '#mesh/documents/submitted-document.ts'
import { isFields } from '#mesh/is-fields.ts'
import { trustDomain, type TrustDomain } from '#mesh/names.ts'
import { err, ok, type Result } from '#mesh/result.ts'
import type { CliIo } from '../cli-io.ts'
import { CliError } from '../cli-error.ts'
import type { PlacedProblem } from '../output/problem-text.ts'
import { readConfiguration, type ConfigurationText } from './configuration-files.ts'
import { toOfflineOptions } from './parse-options.ts'

/** Istio's MeshConfig as a person has it, and where. */
export interface SubmittedMeshConfig {
  /** Of the object that has it; without one, the file. */
  readonly name: string
  /** "file:line" */
  readonly source: string
  readonly meshConfig: WrittenMeshConfig
  /** Gives problems of fields that are written here their files and lines. */
  readonly place: (problems: readonly ShownProblem[]) => readonly PlacedProblem[]
  /** Of what is written beside it. */
  readonly problems: readonly PlacedProblem[]
}

/** Reads settings as `openMeshConfigFile` does; throws CliError `invalid` when they can't be read. */
export const readMeshConfigFile = async (path: string, io: CliIo): Promise<SubmittedMeshConfig> => {
  const opened = await openMeshConfigFile(path, io)
  if (opened.ok) return opened.value
  throw new CliError('invalid', 'The settings have errors', { problems: opened.error })
}

/**
 * Opens Istio's MeshConfig where people have it: a file of its own, the ConfigMap `istio` (`data.mesh`), an IstioOperator or the values of its chart
 * (`meshConfig`). Throws CliError `usage` when there is no such file, or it is not clear which of its documents is meant.
 */
export const openMeshConfigFile = async (
  path: string,
  io: CliIo,
): Promise<Result<SubmittedMeshConfig, readonly PlacedProblem[]>> => {
  const configuration = await readConfiguration([path], io)
  const items = readItemsOf(configuration)
  if (!items.ok) return items
  // What a person names may be called otherwise than Istio calls it.
  const likely = [holdsMeshConfig, (value: unknown) => isFields(value) && findSettings(value) !== undefined, () => true]
  const [item, second] =
    likely.map((isLikely) => items.value.filter(({ value }) => isLikely(value))).find(({ length }) => length > 0) ?? []
  if (item === undefined) throw new CliError('usage', `${path} holds no settings`)
  if (second !== undefined)
    throw new CliError('usage', `${path} holds several documents`, { remedy: 'Give the one that has the settings.' })
  return openMeshConfig(item, configuration, path)
}

/** Whether a file is that of the settings, and has no objects beside them. */
export const isSettingsFile =
  (settings: string | undefined) =>
  (file: string, text: string): boolean => {
    if (settings === undefined || settings === '-' || file === '-') return false
    if (!existsSync(settings) || realpathSync(file) !== realpathSync(settings)) return false
    const items = readItems(text, toOfflineOptions(undefined))
    return !items.ok || items.value.length <= 1
  }

/** Whether an object of Kubernetes is one in which Istio keeps its settings. */
export const holdsMeshConfig = (value: unknown): boolean => {
  if (!isFields(value) || findSettings(value) === undefined) return false
  const { apiVersion } = value
  const { kind, name = '' } = toObjectName(value, '') ?? {}
  return kind === 'ConfigMap'
    ? apiVersion === 'v1' && /^istio(-.+)?$/.test(name)
    : kind === 'IstioOperator' && typeof apiVersion === 'string' && apiVersion.startsWith('install.istio.io/')
}

/** The settings among files of configuration, and what is wrong with those that can't be read. */
export const findMeshConfigs = (
  configuration: ConfigurationText,
): readonly Result<SubmittedMeshConfig, readonly PlacedProblem[]>[] => {
  const items = readItemsOf(configuration)
  return items.ok
    ? items.value.filter(({ value }) => holdsMeshConfig(value)).map((item) => openMeshConfig(item, configuration))
    : []
}

/** All that is to be said of the settings, if they are to be those of a mesh of this trust domain. */
export const examineSubmitted = (
  { name, meshConfig, place, problems }: SubmittedMeshConfig,
  domain: string,
): readonly PlacedProblem[] => [...problems, ...place(examineMeshConfig(meshConfig, { name, trustDomain: domain }))]

const offlineTrustDomain = trustDomain.parse('offline.example')

/** The trust domain of a mesh that nobody has made yet. */
export const toOfflineTrustDomain = (meshConfig: WrittenMeshConfig = {}): TrustDomain =>
  trustDomain.safeParse(meshConfig['trustDomain']).data ?? offlineTrustDomain

const readItemsOf = ({
  text,
  findPlace,
}: ConfigurationText): Result<readonly SubmittedItem[], readonly PlacedProblem[]> => {
  const items = readItems(text, toOfflineOptions(undefined))
  return items.ok ? items : err(items.error.map((problem) => withPlace(problem, findPlace(problem.line ?? 1))))
}

/** A value, and where what is in it is written. */
interface Opened {
  readonly value: unknown
  readonly findPlaces: (paths: readonly Path[]) => readonly (string | undefined)[]
}

const openValue =
  ({ submitted, at }: SubmittedItem, { findPlace }: ConfigurationText) =>
  (within: Path, value: unknown): Opened => ({
    value,
    findPlaces: (paths) => submitted.lines(paths.map((path) => [...at, ...within, ...path])).map(findPlace),
  })

/** A text within the text: the value of a ConfigMap's key. */
const openText =
  ({ submitted, at }: SubmittedItem, { text, findPlace }: ConfigurationText) =>
  (within: Path, inner: string): Result<Opened, readonly PlacedProblem[]> => {
    const [start = 1] = submitted.lines([[...at, ...within]])
    const isLiteral = /:\s*\|[-+\d]*\s*(#.*)?$/.test(text.split('\n')[start - 1] ?? '')
    const toPlace = (line = 1) => findPlace(isLiteral ? start + line : start)
    const documents = readYaml(inner, 1)
    if (!documents.ok) return err(documents.error.map((problem) => withPlace(problem, toPlace(problem.line))))
    const [document] = documents.value
    const linesOf = (paths: readonly Path[]) => document?.lines(paths) ?? []
    return ok({ value: document?.value ?? {}, findPlaces: (paths) => linesOf(paths).map(toPlace) })
  }

const openMeshConfig = (
  item: SubmittedItem,
  configuration: ConfigurationText,
  file = '',
): Result<SubmittedMeshConfig, readonly PlacedProblem[]> => {
  const [asValue, asText] = [openValue(item, configuration), openText(item, configuration)]
  const object = toObjectName(item.value, '')
  const tell = (at: Path, found: Pick<PlacedProblem, 'code' | 'severity' | 'message'>): PlacedProblem =>
    withPlace({ ...found, ...(object && { object }), path: toPathText(at) }, asValue(at, undefined).findPlaces([[]])[0])

  const { at, text, networks, value } = isFields(item.value)
    ? (findSettings(item.value) ?? ofValues(item.value))
    : { at: [] }
  const opened = text === undefined ? ok(asValue(at, value)) : asText(at, text)
  if (!opened.ok) return opened
  const { value: meshConfig, findPlaces } = opened.value
  if (!isFields(meshConfig)) {
    const message = 'is no MeshConfig: it has to be an object'
    return err([tell(at, { code: 'syntax', severity: 'error', message })])
  }
  const openedNetworks = asText(networksAt, networks ?? '')
  if (!openedNetworks.ok) return openedNetworks
  const message = 'is left out: each cluster says its network when it joins'
  return ok({
    name: object?.name || file,
    source: asValue([], undefined).findPlaces([[]])[0] ?? file,
    meshConfig,
    place: (problems) => {
      const paths = problems.map(({ path }) => parsePathText(path))
      const places = findPlaces(paths)
      const isHere = ([field]: Path = []) => field === undefined || Object.hasOwn(meshConfig, field)
      return problems.map((problem, index) => (isHere(paths[index]) ? withPlace(problem, places[index]) : problem))
    },
    problems: hasNetworks(openedNetworks.value.value)
      ? [tell(networksAt, { code: 'ineffective', severity: 'warning', message })]
      : [],
  })
}

const withPlace = (
  { code, severity, object, path, message }: ShownProblem,
  place: string | undefined,
): PlacedProblem => ({
  code,
  severity,
  ...(object && { object }),
  path,
  message,
  ...(place !== undefined && { place }),
})

type Fields = Readonly<Record<string, unknown>>

/** Settings in an object: the texts of a ConfigMap, or the value of an IstioOperator. */
interface FoundSettings {
  readonly at: Path
  readonly text?: string
  readonly networks?: string
  readonly value?: unknown
}

const networksAt: Path = ['data', 'meshNetworks']

const findSettings = ({ data, spec }: Fields): FoundSettings | undefined => {
  if (isFields(data) && typeof data['mesh'] === 'string') {
    const { mesh, meshNetworks } = data
    return { at: ['data', 'mesh'], text: mesh, ...(typeof meshNetworks === 'string' && { networks: meshNetworks }) }
  }
  if (isFields(spec) && spec['meshConfig'] !== undefined)
    return { at: ['spec', 'meshConfig'], value: spec['meshConfig'] }
  return undefined
}

const ofValues = (file: Fields): FoundSettings =>
  file['meshConfig'] === undefined ? { at: [], value: file } : { at: ['meshConfig'], value: file['meshConfig'] }

const hasNetworks = (value: unknown): boolean =>
  isFields(value) && isFields(value['networks']) && Object.keys(value['networks']).length > 0
