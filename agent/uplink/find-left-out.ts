import { UPLINK_MAX_OBJECT_CHARS, UPLINK_MAX_PUBLISHED, UPLINK_MAX_PUBLISHED_CHARS } from '#mesh/uplink.ts'

/** An object that asks to be published. */
export interface Asking {
  readonly key: string
  readonly namespace: string
  /** Of its JSON. */
  readonly chars: number
}

/**
 * Those of a cluster's objects that there is no room for, each with why. `rankOf` says who comes before whom, the lowest first; of one rank
 * the namespaces take turns, so that none of them takes the room of all. Asked only when not all have room.
 */
export const findLeftOut = <Each extends Asking>(
  asking: readonly Each[],
  rankOf: (each: Each) => number,
): ReadonlyMap<string, string> => {
  const leftOut = new Map<string, string>()
  for (const { key, chars } of asking)
    if (chars > UPLINK_MAX_OBJECT_CHARS)
      leftOut.set(key, `is longer than ${UPLINK_MAX_OBJECT_CHARS} characters of JSON`)
  const fitting = asking.filter(({ key }) => !leftOut.has(key))
  const total = fitting.reduce((sum, { chars }) => sum + chars, 0)
  if (fitting.length <= UPLINK_MAX_PUBLISHED && total <= UPLINK_MAX_PUBLISHED_CHARS) return leftOut
  let [count, chars] = [0, 0]
  for (const each of inTurn(fitting, rankOf)) {
    const reason = findObstacle(count, chars + each.chars)
    if (reason !== undefined) {
      leftOut.set(each.key, reason)
      continue
    }
    count += 1
    chars += each.chars
  }
  return leftOut
}

const inTurn = <Each extends Asking>(asking: readonly Each[], rankOf: (each: Each) => number): Each[] => {
  const turns = new Map<string, number>()
  return asking
    .map((each) => {
      const rank = rankOf(each)
      const place = `${rank}/${each.namespace}`
      const turn = turns.get(place) ?? 0
      turns.set(place, turn + 1)
      return { each, rank, turn }
    })
    .toSorted((one, other) => one.rank - other.rank || one.turn - other.turn)
    .map(({ each }) => each)
}

const firstCome = 'what is published and what has a grant come first'

const findObstacle = (count: number, chars: number): string | undefined => {
  if (count >= UPLINK_MAX_PUBLISHED) return `a cluster may have ${UPLINK_MAX_PUBLISHED} objects published: ${firstCome}`
  if (chars > UPLINK_MAX_PUBLISHED_CHARS)
    return `what a cluster has published may be ${UPLINK_MAX_PUBLISHED_CHARS} characters of JSON long together: ${firstCome}`
  return undefined
}
