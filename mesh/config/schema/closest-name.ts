/** Edit distance at which a name is still likely a typing error of another. */
const maxDistance = 2
const maxLength = 64
const minBeginning = 3

const distance = (left: string, right: string): number => {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (const [i, letter] of left.split('').entries()) {
    const next = [i + 1]
    for (const [j, other] of right.split('').entries()) {
      next.push(Math.min((row[j] ?? 0) + (letter === other ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}

/**
 * Which of these names was probably meant: undefined rather than a guess that leads astray. People misspell names,
 * leave a part of them out, or write them as another format does: `max_retries` for `maxRetries`.
 */
export const closestName = (name: string, names: readonly string[]): string | undefined => {
  if (name.length > maxLength) return undefined
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_]/g, '')
  const ranked = names
    .map((candidate) => ({ candidate, distance: distance(plain(name), plain(candidate)) }))
    .toSorted((left, right) => left.distance - right.distance)
  const [best] = ranked
  if (best !== undefined && best.distance <= Math.min(maxDistance, Math.floor(best.candidate.length / 2)))
    return best.candidate
  const begun = names.filter((candidate) => plain(candidate).startsWith(plain(name)))
  const ended = names.filter((candidate) => candidate.toLowerCase().endsWith(`_${name.toLowerCase()}`))
  const [found, ...others] = begun.length > 0 ? begun : ended
  return others.length === 0 && plain(name).length >= minBeginning ? found : undefined
}
