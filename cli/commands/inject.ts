import type { Command } from 'commander'
import type { InjectionProblem } from '#mesh/injection/annotation-reader.ts'
import { injectObject } from '#mesh/injection/inject-object.ts'
import { defaultInjectionSettings, type InjectionSettings } from '#mesh/injection/injection-settings.ts'
import { readYaml } from '#mesh/documents/read-yaml.ts'
import type { SubmittedDocument } from '#mesh/documents/submitted-document.ts'
import { toPathText } from '#mesh/config/to-problems.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { readConfiguration, type ConfigurationText } from '../configuration/configuration-files.ts'
import { addExamples } from '../examples.ts'
import { toYaml } from '../kubernetes/manifests/to-yaml.ts'
import type { PlacedProblem } from '../output/problem-text.ts'
import { findProgramFiles } from '../program-files.ts'

interface InjectOptions {
  readonly file: readonly string[]
  readonly namespace: string
  readonly proxyImage?: string
  readonly revision: string
  readonly nativeSidecars: boolean
  readonly hold: boolean
}

const maxDocuments = 10_000

export const defineInject = (command: Command, context: CliContext): void => {
  command
    .requiredOption('-f, --file <path...>', 'files, folders (with their subfolders), or "-" for the standard input')
    .option('-n, --namespace <name>', 'of objects that name none', 'default')
    .option('--proxy-image <name>', "the proxies' image; default: atoll/proxy with this command's version")
    .option('--revision <name>', 'of the injector, for the status of the pods', defaultInjectionSettings.revision)
    .option('--no-native-sidecars', 'the proxy as an ordinary container, for Kubernetes before 1.29')
    .option('--hold', 'with --no-native-sidecars: hold the application until the proxy has started', false)
    .action((options: InjectOptions) => injectFiles(context, options))
  addExamples(command, [
    ['atoll inject -f web.yaml | kubectl apply -f -', 'where no webhook does it'],
    ['helm template shop | atoll inject -f -', 'shows what would run'],
  ])
}

const injectFiles = async (context: CliContext, options: InjectOptions): Promise<void> => {
  const configuration = await readConfiguration(options.file, context.io)
  const settings: InjectionSettings = {
    ...defaultInjectionSettings,
    proxyImage: options.proxyImage ?? `atoll/proxy:${findProgramFiles().version}`,
    revision: options.revision,
    nativeSidecars: options.nativeSidecars,
    holdApplicationUntilProxyStarts: options.hold,
  }
  const results = readDocuments(configuration).map((document) => ({
    document,
    result: injectObject(document.value, settings, options.namespace),
  }))
  const problems = results.flatMap(({ document, result }) =>
    result.ok ? [] : place(result.error, 'error', document, configuration),
  )
  if (problems.length > 0) throw new CliError('invalid', 'The proxy cannot be put into these pods', { problems })

  const injected = results.flatMap(({ document, result }) => (result.ok ? [{ document, ...result.value }] : []))
  const warnings = injected.flatMap((each) => place(each.warnings, 'warning', each.document, configuration))
  context.noteProblems(warnings)
  for (const { name, reason } of injected.flatMap(({ skipped }) => skipped))
    context.note(`${name} is left as it is: ${reason}`)
  if (injected.every((each) => each.injected.length === 0)) context.note('There is nothing to put a proxy into')
  context.io.stdout.write(injected.map(({ value }) => toYaml(value)).join('---\n'))
}

const readDocuments = ({ text, findPlace }: ConfigurationText): readonly SubmittedDocument[] => {
  const documents = readYaml(text, maxDocuments, 'kubernetes')
  if (documents.ok) return documents.value
  const problems = documents.error.map(({ line, ...problem }) => withPlace(problem, line, findPlace))
  throw new CliError('invalid', 'This is not YAML', { problems })
}

const place = (
  problems: readonly InjectionProblem[],
  severity: PlacedProblem['severity'],
  document: SubmittedDocument,
  { findPlace }: ConfigurationText,
): PlacedProblem[] => {
  const lines = document.lines(problems.map(({ path }) => path))
  return problems.map(({ path, message }, index) =>
    withPlace({ code: 'invalid', severity, path: toPathText(path), message }, lines[index], findPlace),
  )
}

const withPlace = (
  problem: PlacedProblem,
  line: number | undefined,
  findPlace: ConfigurationText['findPlace'],
): PlacedProblem => {
  const found = line === undefined ? undefined : findPlace(line)
  return { ...problem, ...(found !== undefined && { place: found }) }
}
