import type { ObjectTrouble } from '#mesh/status/judge-objects.ts'
import { UPLINK_MAX_MESSAGE_CHARS, UPLINK_MAX_OBJECT_PROBLEMS, type ObjectProblems } from '#mesh/uplink.ts'

/** Of the problems of one message, as JSON. */
const maxCharacters = UPLINK_MAX_MESSAGE_CHARS / 2

/** As many troubles as one message holds, those first that come first; the others are counted. */
export const toObjectProblems = (troubles: readonly ObjectTrouble[]): ObjectProblems => {
  const problems: ObjectTrouble[] = []
  let characters = 0
  for (const trouble of troubles.slice(0, UPLINK_MAX_OBJECT_PROBLEMS)) {
    characters += JSON.stringify(trouble).length
    if (characters > maxCharacters) break
    problems.push(trouble)
  }
  return { problems, omitted: troubles.length - problems.length }
}
