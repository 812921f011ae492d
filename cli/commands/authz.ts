import type { Command } from 'commander'
import type { AccessOutcome } from '#xds/explain/to-access-answer.ts'
import { toAccessText } from '../authz/access-text.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import type { ExitReason } from '../exit-code.ts'
import { addQuestion, askQuestion, type QuestionOptions } from '../why/ask-question.ts'
import { toCallText } from '../why/parse-call.ts'

export const defineAuthz = (group: Command, context: CliContext): void => {
  const command = addQuestion(group.command('check'))
    .description('Tell whether a workload may call another, and the rule that decides.')
    .action((from: string, to: string, options: QuestionOptions) => check(context, from, to, options))
  command.addHelpText(
    'after',
    `
Asked are the rules that the proxies on the way are served, as they would ask them: PeerAuthentication, RequestAuthentication, AuthorizationPolicy, at a
gateway too. It exits with 0 when the call is allowed, with 11 when it is denied (or some of it is), with 10 when that depends on what is not known, and with 9 when it gets to
nobody who is asked ("atoll why" tells more). Headers that are not said are not there, but for those that clients set by themselves.
With files all runs in one cluster, as "atoll xds" takes it; the options from --trust-domain on are for files alone.`,
  )
  addExamples(command, [
    ['atoll authz check shop/frontend http://reviews:9080/x', 'against the mesh as it is'],
    ['atoll authz check shop/frontend reviews:9080/x --claim sub=ann --claim groups=admins', 'with a token'],
    ['atoll authz check shop/frontend reviews -f mesh/ -o json', 'from files, for a pipeline'],
    ['atoll authz check gateway/infra/ingress https://shop.example.com/ --source-ip 203.0.113.7', "a gateway's client"],
  ])
}

const check = async (context: CliContext, from: string, to: string, options: QuestionOptions): Promise<void> => {
  const { question, call } = await askQuestion(context, from, to, options)
  const [{ explainCall }, { toAccessAnswer }] = await Promise.all([
    import('#xds/explain/explain-call.ts'),
    import('#xds/explain/to-access-answer.ts'),
  ])
  const answer = toAccessAnswer(await explainCall(question))
  const title = `${question.client.name} calls ${toCallText(call)}`
  await context.print({
    value: { client: question.client, call, ...answer },
    names: [answer.outcome],
    table: (paint) => toAccessText(title, answer, paint),
  })
  const failure = failures[answer.outcome]
  if (!failure) return
  const isInPart = answer.outcome === 'not-asked' && answer.judged.length > 0
  throw new CliError(failure.reason, isInPart ? 'Some of it gets to nobody who is asked' : failure.text, {
    isResult: true,
  })
}

const failures: Readonly<Record<AccessOutcome, { readonly reason: ExitReason; readonly text: string } | undefined>> = {
  allowed: undefined,
  denied: { reason: 'denied', text: 'It is denied' },
  'not-known': { reason: 'notKnown', text: 'Whether it is allowed is not known' },
  'not-asked': { reason: 'notReachable', text: 'It gets to nobody who is asked' },
}
