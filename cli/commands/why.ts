import type { Command } from 'commander'
import type { Question } from '#xds/explain/explain-call.ts'
import type { Outcome } from '#xds/explain/explanation.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import type { ExitReason } from '../exit-code.ts'
import { toExplanationText } from '../why/explanation-text.ts'
import { parseCall, toCallText, type CallOptions } from '../why/parse-call.ts'
import { clientHelp, parseClient, type ClientName } from '../why/parse-client.ts'
import { addMeshOptions, noteGuess, readFiles, type MeshOptions } from '../xds/compile-files.ts'

interface WhyOptions extends CallOptions, MeshOptions {
  readonly file?: readonly string[]
  /** False with --no-proxy. */
  readonly proxy: boolean
}

export const defineWhy = (command: Command, context: CliContext): void => {
  addMeshOptions(
    command
      .argument('<from>', `who calls: ${clientHelp}; a Deployment, a pod, a machine, a service account or a gateway`)
      .argument('<to>', 'what is called: HOST[:PORT] or a URL (http, https, tls, tcp), as the caller writes it')
      .option('--method <name>', 'of the request', 'GET')
      .option('--header <name=value...>', 'of the request')
      .option('--no-proxy', 'the caller has no proxy: its pod is not injected')
      .option(
        '-f, --file <path...>',
        'explain from these files, without a plane, instead of from what proxies are served',
      ),
  ).action((from: string, to: string, options: WhyOptions) => why(context, from, to, options))
  command.addHelpText(
    'after',
    `
Every step tells the object that decides on it, and the field in it. It exits with 0 when the call arrives, with 9 when it does not, or not every time,
and with 10 when that is not known: somebody on the way could not be asked, or may turn it away by rules that are not looked into.
With files all runs in one cluster, as "atoll xds" takes it; the options from --trust-domain on are for files alone.`,
  )
  addExamples(command, [
    ['atoll why west/shop/frontend http://reviews.shop:9080/reviews/1', 'against the mesh as it is'],
    [
      'atoll why shop/frontend reviews:9080 --method POST --header x-user=ann',
      'the same request as a person would make',
    ],
    ['atoll why gateway/infra/ingress https://shop.example.com/', "a gateway's own clients"],
    ['atoll why shop/frontend reviews -f mesh/ -o json', 'from files, for a pipeline'],
  ])
}

const why = async (context: CliContext, from: string, to: string, options: WhyOptions): Promise<void> => {
  const name = parseClient(from)
  const call = parseCall(to, options)
  const question = options.file
    ? await askFiles(context, name, call, options.file, options)
    : await askMesh(context, name, call, options)
  const { explainCall } = await import('#xds/explain/explain-call.ts')
  const explanation = await explainCall(question)
  const title = `${question.client.name} calls ${toCallText(call)}`
  await context.print({
    value: { client: question.client, call, ...explanation },
    names: [explanation.verdict.code],
    table: (paint) => toExplanationText(title, explanation, paint),
  })
  const failure = failures[explanation.verdict.outcome]
  if (failure) throw new CliError(failure.reason, failure.text, { isResult: true })
}

const failures: Readonly<Record<Outcome, { readonly reason: ExitReason; readonly text: string } | undefined>> = {
  reachable: undefined,
  'partly-reachable': { reason: 'notReachable', text: 'It does not arrive every time' },
  'not-reachable': { reason: 'notReachable', text: 'It does not arrive' },
  unknown: { reason: 'notKnown', text: 'Whether it arrives is not known' },
}

const askFiles = async (
  context: CliContext,
  name: ClientName,
  call: Question['call'],
  paths: readonly string[],
  options: WhyOptions,
): Promise<Question> => {
  const { files, settings, place } = await readFiles(context, paths, options)
  const { toOfflineQuestion } = await import('../why/offline-question.ts')
  const question = toOfflineQuestion(files, settings, { name, call, hasProxy: options.proxy })
  if (question.isGuessed) noteGuess(context, question.spec)
  context.noteProblems(await place([]))
  return question
}

const askMesh = async (
  context: CliContext,
  name: ClientName,
  call: Question['call'],
  { proxy }: WhyOptions,
): Promise<Question> => {
  const { toLiveQuestion } = await import('../why/live-question.ts')
  return toLiveQuestion(context, { name, call, hasProxy: proxy })
}
