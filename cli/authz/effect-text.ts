import type { Paint } from '../output/colour.ts'
import { toSafeWord } from '../output/safe-text.ts'
import type { Effects, SeenCall } from './foretell-effects.ts'

const maxShown = 20

/** What would become of calls that were seen. */
export const toEffectLines = (effects: Effects, paint: Paint): readonly string[] => {
  const { minutes, records, isAll, proxies, unread, changed, notKnown } = effects
  const looked = `${isAll ? '' : 'the newest '}${records} requests of the last ${minutes} minutes; the policies are for ${proxies} of the proxies that were called`
  return [
    `Of ${looked}:`,
    ...(changed.length + notKnown.length === 0 ? ['  nothing changes for any of them'] : []),
    ...changed
      .slice(0, maxShown)
      .map((call) =>
        paint(
          call.after === 'denied' ? 'red' : 'green',
          `  ${call.after} then: ${toText(call)}, by ${toSafeWord(call.by.join(', ') || (call.after === 'denied' ? 'no rule of its ALLOW policies' : 'nobody that denies it'))}`,
        ),
      ),
    ...notKnown
      .slice(0, maxShown)
      .map((call) =>
        paint('yellow', `  not known: ${toText(call)}, for want of ${toSafeWord(call.missing.join(', '))}`),
      ),
    ...(changed.length > maxShown || notKnown.length > maxShown ? ['  … -o json has all of them'] : []),
    ...(unread.length > 0
      ? [`  ${unread.length} proxies could not be asked: ${toSafeWord(unread.slice(0, 5).join(', '))}`]
      : []),
  ]
}

const toText = ({ source, proxy, request, times }: SeenCall): string =>
  `${toSafeWord(source)} calls ${toSafeWord(request)} at ${toSafeWord(proxy)}, ${times} ${times === 1 ? 'time' : 'times'}`
