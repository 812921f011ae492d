export interface DiffLine {
  readonly sign: ' ' | '-' | '+'
  readonly text: string
}

/** Beyond this many compared pairs of lines, what lies between the equal ends is shown as removed and added. */
const MAX_PAIRS = 4_000_000

/** The lines of two texts, marked as in a unified diff: the shortest way from one to the other. */
export const diffLines = (before: string, after: string): DiffLine[] => {
  const left = toLines(before)
  const right = toLines(after)
  let start = 0
  while (start < left.length && start < right.length && left[start] === right[start]) start++
  let end = 0
  while (end < left.length - start && end < right.length - start && left.at(-1 - end) === right.at(-1 - end)) end++
  const keep = (lines: readonly string[]) => lines.map((text): DiffLine => ({ sign: ' ', text }))
  return [
    ...keep(left.slice(0, start)),
    ...diffMiddle(left.slice(start, left.length - end), right.slice(start, right.length - end)),
    ...keep(left.slice(left.length - end)),
  ]
}

const toLines = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'))

const diffMiddle = (left: readonly string[], right: readonly string[]): DiffLine[] => {
  const removed = (text: string): DiffLine => ({ sign: '-', text })
  const added = (text: string): DiffLine => ({ sign: '+', text })
  if (left.length * right.length > MAX_PAIRS) return [...left.map(removed), ...right.map(added)]
  const common = commonLengths(left, right)
  const lines: DiffLine[] = []
  let i = 0
  let j = 0
  while (i < left.length || j < right.length) {
    const [from, to] = [left[i], right[j]]
    if (from !== undefined && from === to) {
      lines.push({ sign: ' ', text: from })
      i++
      j++
    } else if (from !== undefined && (to === undefined || common(i + 1, j) >= common(i, j + 1))) {
      lines.push(removed(from))
      i++
    } else if (to !== undefined) {
      lines.push(added(to))
      j++
    }
  }
  return lines
}

/** (i, j) → length of the longest common subsequence of left from i and right from j. */
const commonLengths = (left: readonly string[], right: readonly string[]) => {
  const width = right.length + 1
  const lengths = new Uint32Array((left.length + 1) * width)
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0
  for (let i = left.length - 1; i >= 0; i--)
    for (let j = right.length - 1; j >= 0; j--)
      lengths[i * width + j] = left[i] === right[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  return at
}

/** Leaves out what is far from a change. */
export const toHunks = (lines: readonly DiffLine[], around = 3): (DiffLine | undefined)[] => {
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - around), index + around + 1).some((line) => line.sign !== ' '),
  )
  const kept: (DiffLine | undefined)[] = []
  for (const [index, line] of lines.entries()) {
    if (near[index] === true) kept.push(line)
    else if (kept.length > 0 && kept.at(-1) !== undefined && near.includes(true, index)) kept.push(undefined)
  }
  return kept
}
