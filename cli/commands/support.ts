import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { durationOption } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { toListView } from '../output/list-view.ts'
import { findProgramFiles } from '../program-files.ts'
import { toAgentParts } from '../support/agent-parts.ts'
import { toKubernetesParts } from '../support/kubernetes-parts.ts'
import type { Part } from '../support/part.ts'
import { toPlaneParts } from '../support/plane-parts.ts'
import { SupportBundle } from '../support/support-bundle.ts'
import { toReadme } from '../support/readme.ts'

interface BundleOptions {
  readonly context: readonly string[]
  readonly agent: readonly string[]
  readonly cluster?: string
  readonly out?: string
  readonly since: number
  readonly timeout: number
  readonly list?: true
}

export const defineSupport = (group: Command, context: CliContext): void => {
  const command = group
    .command('bundle')
    .description(
      'Collect what somebody needs to help into one archive: what the plane knows, and what Kubernetes clusters and agents say. No secrets are in it. What cannot be had is noted, and the rest goes on.',
    )
    .option('--context <name...>', 'contexts of the kubeconfig: those clusters are asked too', [])
    .option('--agent <host:port...>', 'agents outside Kubernetes, by their httpAddress (port 15020)', [])
    .option('--cluster <name>', 'of the plane only what is about this cluster')
    .option('--out <file>', 'the archive; default: atoll-support-TIME.tar.gz here')
    .addOption(durationOption('--since <duration>', 'how far back logs and audit events go', '1h'))
    .addOption(durationOption('--timeout <duration>', 'after this, nothing more is asked', '2m'))
    .option('--list', 'show what would be collected; ask nobody')
    .action((options: BundleOptions) => bundle(context, options))
  addExamples(command, [
    ['atoll support bundle', 'what the plane knows'],
    ['atoll support bundle --context east west', 'and two Kubernetes clusters'],
    ['atoll support bundle --agent 10.0.0.1:15020', 'and an agent on machines'],
    ['atoll support bundle --context east --list', 'what it would collect'],
  ])
}

const bundle = async (context: CliContext, options: BundleOptions): Promise<void> => {
  const { now } = context.io
  const time = new Date(now()).toISOString().replaceAll(/[:-]|\.\d+/g, '')
  const name = `atoll-support-${time}`
  const archive = resolve(options.out ?? `${name}.tar.gz`)
  if (existsSync(archive)) throw new CliError('conflict', `${archive} is there already`)
  // Beside the archive: it has to have room for it anyway, and temporary folders may be small.
  const staging = options.list ? '' : makeStaging(archive)
  try {
    const collected = new SupportBundle(staging, name, { now, at: now() + options.timeout * 1000 })
    const sources = toSources(context, collected, options)
    if (options.list) return await printList(context, sources)
    for (const { title, parts } of sources) await collectFrom(context, collected, title, parts)
    const { version } = findProgramFiles()
    const { findings, missing, redacted, files } = collected
    const summary = {
      format: 1,
      atoll: version,
      createdAt: new Date(now()).toISOString(),
      findings,
      missing,
      redacted,
      files: [...files],
    }
    collected.add('summary.json', summary)
    collected.add(
      'README.txt',
      toReadme(
        summary,
        sources.flatMap(({ parts }) => parts),
      ),
    )
    await collected.write(archive)
    await context.print({
      value: { archive, ...summary },
      names: [archive],
      table: () =>
        [
          ...findings.map((finding) => `- ${finding}`),
          ...(missing.length === 0
            ? []
            : [`${missing.length} things could not be had: README.txt in the archive says why.`]),
          `${files.length} files are in ${archive}. Look through it before you hand it on.`,
        ].join('\n'),
    })
  } finally {
    if (staging !== '') rmSync(staging, { recursive: true, force: true })
  }
}

const makeStaging = (archive: string): string => {
  const folder = dirname(archive)
  if (!existsSync(folder)) throw new CliError('usage', `There is no folder ${folder}`)
  return mkdtempSync(join(folder, '.atoll-support-'))
}

interface Source {
  readonly title: string
  readonly parts: readonly Part[]
}

const toSources = (context: CliContext, collected: SupportBundle, options: BundleOptions): readonly Source[] => [
  {
    title: 'the plane',
    parts: toPlaneParts(context, collected, {
      cluster: options.cluster,
      since: new Date(context.io.now() - options.since * 1000),
    }),
  },
  ...options.context.map((kubernetesContext) => ({
    title: `context ${kubernetesContext}`,
    parts: toKubernetesParts(context, collected, { kubernetesContext, sinceSeconds: options.since }),
  })),
  ...(options.agent.length === 0
    ? []
    : [{ title: 'the agents', parts: toAgentParts(context, collected, options.agent) }]),
]

/** Who does not answer the first question is not asked the others: each would take its time to fail. */
const collectFrom = async (
  context: CliContext,
  collected: SupportBundle,
  title: string,
  [first, ...others]: readonly Part[],
): Promise<void> => {
  if (first === undefined) return
  context.note(`Asking ${title}`)
  const answers = await collected.attempt(first.file, first.collect)
  if (!answers && others.length > 0) collected.find(`${title} does not answer: nothing of it is here`)
  if (answers) for (const { file, collect } of others) await collected.attempt(file, collect)
}

const printList = (context: CliContext, sources: readonly Source[]): Promise<void> =>
  context.print(
    toListView(
      sources.flatMap(({ parts }) => parts),
      { headings: ['FILE', 'WHAT'], row: ({ file, what }) => [file, what], name: ({ file }) => file, empty: '' },
    ),
  )
