import { toRoughDuration } from '../duration.ts'
import type { Paint } from '../output/colour.ts'
import { toSafeWord } from '../output/safe-text.ts'
import type { Effects } from './foretell-effects.ts'
import type { ChangedCalls, OpenCalls, SeenCalls } from './sum-effects.ts'

const maxShown = 20

/** What would become of calls that were seen. */
export const toEffectLines = (effects: Effects, paint: Paint): readonly string[] => {
  const { changed, notKnown, unread, unavailable, leftOut } = effects
  const left = changed.length - maxShown + Math.max(0, notKnown.length - maxShown)
  return [
    toLooked(effects),
    ...(changed.length + notKnown.length === 0 ? ['  nothing changes for any of them'] : []),
    ...changed
      .slice(0, maxShown)
      .map((calls) => paint(calls.after === 'denied' ? 'red' : 'green', toChangedLine(calls))),
    ...notKnown.slice(0, maxShown).map((calls) => paint('yellow', toOpenLine(calls))),
    ...(changed.length > maxShown || notKnown.length > maxShown
      ? [`  … ${Math.max(left, 1)} more lines: -o json has all of them`]
      : []),
    ...toGap(leftOut, 'callers were not looked at, as there are so many'),
    ...toGap(
      unread.length,
      `of those that were called could not be asked: ${toSafeWord(unread.slice(0, 5).join(', '))}`,
    ),
    ...toGap(unavailable.length, `clusters did not answer, and what they saw is missing: ${unavailable.join(', ')}`),
  ]
}

const toLooked = ({ looked, total, isAll, seconds, namespaces, called }: Effects): string => {
  const where = namespaces ? ` to ${toSafeWord(namespaces.join(', '))}` : ''
  const calls = `requests and connections${where} of the last ${toRoughDuration(seconds * 1000)}`
  const what = isAll
    ? `the ${looked} ${calls}`
    : total === null
      ? `the newest ${looked} ${calls}`
      : `${looked} of about ${total} ${calls}, some of each caller's (${toPercent(looked / total)})`
  return `Of ${what}; the change is for ${called} of the workloads that were called:`
}

const toPercent = (share: number): string => (share < 0.01 ? 'less than 1 %' : `${Math.round(share * 100)} %`)

const toGap = (count: number, text: string): readonly string[] => (count === 0 ? [] : [`  ${count} ${text}`])

const toChangedLine = (calls: ChangedCalls): string => {
  const nobody = calls.after === 'denied' ? 'no rule of its ALLOW policies' : 'nobody that denies it'
  const by = calls.by.length > 0 ? calls.by.join(', ') : nobody
  return `  ${calls.after} then: ${toText(calls)}, by ${toSafeWord(by)}`
}

const toOpenLine = (calls: OpenCalls): string =>
  `  not known: ${toText(calls)}, ${calls.before} now, for want of: ${toSafeWord(calls.missing.join(', '))}`

const toText = ({ source, addresses, called, request, example, plaintext, times }: SeenCalls): string => {
  const from = addresses.length > 0 ? ` at ${toSafeWord(addresses.join(', '))}` : ''
  const such = example === undefined ? '' : ` (such as ${toSafeWord(example)})`
  const how = plaintext ? ', in plaintext' : ''
  return `${toSafeWord(source)}${from} calls ${toSafeWord(request)}${such} at ${toSafeWord(called)}${how}, ${times} ${times === 1 ? 'time' : 'times'}`
}
