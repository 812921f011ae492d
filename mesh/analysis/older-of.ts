import type { ConfigObject } from '../config-object.ts'
import { byAge } from '../merge/by-age.ts'

type Dated = Pick<ConfigObject, 'metadata'>

/** Which of two objects that want the same thing has it, for a sentence to the first one's author: the older. Files have no age yet. */
export const olderOf = (object: Dated, other: Dated): string => {
  const [time, otherTime] = [object, other].map(({ metadata }) => metadata.creationTimestamp)
  if (time === undefined && otherTime === undefined) return 'the older one, or of one age the first by name,'
  const holder = byAge(object, other) < 0 ? 'this one' : 'that one'
  return `${holder}, which is ${time === otherTime ? 'as old and the first by name' : 'older'},`
}
