import type { Answer, End, Explanation, Step, Verdict, Way } from '#xds/explain/explanation.ts'
import type { Decider } from '#xds/explain/served.ts'
import { toPercent } from '#xds/explain/to-verdict.ts'
import type { Paint } from '../output/colour.ts'
import { toSafeWord } from '../output/safe-text.ts'

const stageWidth = 'certificates'.length + 2

/** The steps of a call, then the verdict. Names, matches and addresses are others' words: none of them starts a line. */
export const toExplanationText = (title: string, { steps, ways, verdict }: Explanation, paint: Paint): string =>
  [
    paint('bold', toSafeWord(title)),
    '',
    ...toStepLines(steps, '', paint),
    ...(ways.length === 1 && ways.every(({ ends }) => ends.length === 1)
      ? toStepLines(ways[0]?.steps ?? [], '', paint)
      : ways.flatMap((way) => toWayLines(way, paint))),
    '',
    ...toVerdictLines(verdict, paint),
  ].join('\n')

const toWayLines = ({ share, xdsCluster, steps, ends }: Way, paint: Paint): readonly string[] => [
  paint('bold', `${toPercent(share)} of the calls: ${toSafeWord(xdsCluster ?? 'answered by the proxy itself')}`),
  ...toStepLines(steps, '  ', paint),
  ...ends.flatMap((end) => toEndLines(end, share, paint)),
]

const toEndLines = (end: End, whole: number, paint: Paint): readonly string[] => {
  const some = end.share < whole ? ` (${toPercent(end.share)} of the calls)` : ''
  if (end.stop) return [`  ${paint('red', `stops${some}: ${toSafeWord(end.stop.text)}`)}`]
  return end.limit ? [`  ${paint('yellow', `not known${some}: ${toSafeWord(end.limit.text)}`)}`] : []
}

const toStepLines = (steps: readonly Step[], indent: string, paint: Paint): readonly string[] =>
  steps.flatMap(({ stage, proxy, text, details = [], decidedBy = [] }, index) => {
    const previous = steps[index - 1]
    const label = previous?.stage === stage && previous.proxy === proxy ? '' : stage
    const where = proxy === undefined || proxy === previous?.proxy ? [] : [paint('dim', `at ${toSafeWord(proxy)}`)]
    const below = `${indent}${' '.repeat(stageWidth)}`
    return [
      ...where.map((line) => `${below}${line}`),
      `${indent}${label.padEnd(stageWidth)}${toSafeWord(text)}`,
      ...details.map((line) => `${below}${paint('dim', toSafeWord(line))}`),
      ...decidedBy.map((decider) => `${below}by ${toDeciderText(decider)}`),
    ]
  })

const toDeciderText = ({ object, path }: Decider): string =>
  toSafeWord(path === undefined ? object : `${object} ${path}`)

const toVerdictLines = (verdict: Verdict, paint: Paint): readonly string[] => {
  const { text, fix, decidedBy = [] } = verdict
  return [
    toHead(verdict, paint),
    toSafeWord(text),
    ...decidedBy.map((decider) => `Decided by ${toDeciderText(decider)}`),
    ...(fix === undefined ? [] : [`${paint('bold', 'Fix:')} ${toSafeWord(fix)}`]),
  ]
}

const toHead = ({ outcome, code, share, unknownShare, answer }: Verdict, paint: Paint): string => {
  switch (outcome) {
    case 'reachable':
      return paint('green', `Reachable (${code})`)
    case 'partly-reachable': {
      const most = `${unknownShare > 0 ? 'at most ' : ''}${toPercent(share + unknownShare)}`
      return paint('red', `Reachable for ${most} of the calls (${code})${toAnswerText(answer)}`)
    }
    case 'unknown':
      return paint('yellow', `Not known (${code})`)
    case 'not-reachable':
      return paint('red', `Not reachable (${code})${toAnswerText(answer)}`)
  }
}

const toAnswerText = (answer: Answer | undefined): string => {
  if (answer === undefined) return ''
  if (answer === 'closed') return ': the connection is closed'
  return answer === 'no-address' ? ': the name does not resolve' : `: the client gets ${answer}`
}
