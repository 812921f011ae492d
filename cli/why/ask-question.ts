import type { Command } from 'commander'
import type { Call } from '#xds/explain/call.ts'
import type { Question } from '#xds/explain/explain-call.ts'
import type { CliContext } from '../cli-context.ts'
import { addMeshOptions, noteGuess, readFiles, type MeshOptions } from '../xds/compile-files.ts'
import { addCallOptions, type CallOptions } from './call-options.ts'
import { parseCall } from './parse-call.ts'
import { clientHelp, parseClient, type ClientName } from './parse-client.ts'

export interface QuestionOptions extends CallOptions, MeshOptions {
  readonly file?: readonly string[]
  /** False with --no-proxy. */
  readonly proxy: boolean
}

/** Who calls whom and how, as a person says it. */
export const addQuestion = (command: Command): Command =>
  addMeshOptions(
    addCallOptions(
      command
        .argument('<from>', `who calls: ${clientHelp}; a Deployment, a pod, a machine, a service account or a gateway`)
        .argument('<to>', 'what is called: HOST[:PORT] or a URL (http, https, tls, tcp), as the caller writes it'),
    )
      .option('--no-proxy', 'the caller has no proxy: its pod is not injected')
      .option('-f, --file <path...>', 'from these files, without a plane, instead of from what proxies are served'),
  )

/** From files, or from the mesh as it is. */
export const askQuestion = async (
  context: CliContext,
  from: string,
  to: string,
  options: QuestionOptions,
): Promise<{ readonly question: Question; readonly call: Call }> => {
  const name = parseClient(from)
  const call = parseCall(to, options)
  const question = options.file
    ? await askFiles(context, name, call, options.file, options)
    : await askMesh(context, name, call, options)
  return { question, call }
}

const askFiles = async (
  context: CliContext,
  name: ClientName,
  call: Call,
  paths: readonly string[],
  options: QuestionOptions,
): Promise<Question> => {
  const { files, settings, place } = await readFiles(context, paths, options)
  const { toOfflineQuestion } = await import('./offline-question.ts')
  const question = toOfflineQuestion(files, settings, { name, call, hasProxy: options.proxy })
  if (question.isGuessed) noteGuess(context, question.spec)
  context.noteProblems(await place([]))
  return question
}

const askMesh = async (
  context: CliContext,
  name: ClientName,
  call: Call,
  { proxy }: QuestionOptions,
): Promise<Question> => {
  const { toLiveQuestion } = await import('./live-question.ts')
  return toLiveQuestion(context, { name, call, hasProxy: proxy })
}
