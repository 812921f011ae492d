import type { AccessAnswer, AccessOutcome } from '#xds/explain/to-access-answer.ts'
import type { Decider } from '#xds/explain/served.ts'
import type { Colour, Paint } from '../output/colour.ts'
import { toSafeWord } from '../output/safe-text.ts'

/** Who is asked, what each says, and what comes of it. */
export const toAccessText = (title: string, answer: AccessAnswer, paint: Paint): string => {
  const { outcome, text, fix, decidedBy, judged } = answer
  // Of a call that gets to somebody by another of its ways.
  const isInPart = outcome === 'not-asked' && judged.length > 0
  const { word, colour } = isInPart
    ? { word: 'Nobody is asked about some of it', colour: 'red' as const }
    : heads[outcome]
  return [
    paint('bold', toSafeWord(title)),
    '',
    ...judged.flatMap(({ proxy, text: said, details }) => [
      `at ${toSafeWord(proxy)}`,
      `  ${toSafeWord(said)}`,
      ...details.map((line) => `  ${paint('dim', toSafeWord(line))}`),
    ]),
    ...(judged.length > 0 ? [''] : []),
    paint(colour, word),
    ...(outcome === 'allowed' && judged.length > 0 ? [] : [toSafeWord(text)]),
    ...decidedBy.map((decider) => `Decided by ${toDeciderText(decider)}`),
    ...(outcome === 'allowed' || fix === undefined ? [] : [`${paint('bold', 'Fix:')} ${toSafeWord(fix)}`]),
  ].join('\n')
}

const heads: Readonly<Record<AccessOutcome, { readonly word: string; readonly colour: Colour }>> = {
  allowed: { word: 'Allowed', colour: 'green' },
  denied: { word: 'Denied', colour: 'red' },
  'not-known': { word: 'Not known', colour: 'yellow' },
  'not-asked': { word: 'Nobody is asked', colour: 'red' },
}

const toDeciderText = ({ object, path }: Decider): string =>
  toSafeWord(path === undefined ? object : `${object} ${path}`)
