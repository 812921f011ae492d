import type { Command } from 'commander'
import type { Outcome } from '#xds/explain/explanation.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import type { ExitReason } from '../exit-code.ts'
import { addQuestion, askQuestion, type QuestionOptions } from '../why/ask-question.ts'
import { toExplanationText } from '../why/explanation-text.ts'
import { toCallText } from '../why/parse-call.ts'

export const defineWhy = (command: Command, context: CliContext): void => {
  addQuestion(command).action((from: string, to: string, options: QuestionOptions) => why(context, from, to, options))
  command.addHelpText(
    'after',
    `
Every step tells the object that decides on it, and the field in it. It exits with 0 when the call arrives, with 9 when it does not, or not every time,
and with 10 when that is not known: somebody on the way could not be asked, or may turn it away by rules that are not looked into, or that look at what is not said.
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

const why = async (context: CliContext, from: string, to: string, options: QuestionOptions): Promise<void> => {
  const { question, call } = await askQuestion(context, from, to, options)
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
