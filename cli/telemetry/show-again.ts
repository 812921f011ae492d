import type { CliContext } from '../cli-context.ts'
import { toSafeJson, toSafeText } from '../output/safe-text.ts'
import type { View } from '../output/view.ts'
import { toPassing } from './to-passing.ts'

/** What is shown again and again. */
export interface Frame {
  readonly view: View
  /** Said above it on a terminal. */
  readonly title: string
  /** What is missing of it. */
  readonly notes: readonly string[]
}

/**
 * Shows it until it is interrupted: on a terminal in place, else one after the other, in JSON a line each. What was known stays while the plane
 * is away.
 */
export const showAgain = async (
  context: CliContext,
  everyMilliseconds: number,
  load: () => Promise<Frame>,
): Promise<never> => {
  const { io, options } = context
  const inPlace = options.output === 'table' && io.stdout.isTTY === true && io.env['TERM'] !== 'dumb'
  let frame = await load()
  let trouble: string | undefined
  for (;;) {
    const { view, title, notes } = frame
    const missing = [...notes, ...(trouble === undefined ? [] : [trouble])]
    if (inPlace) drawFrame(context, [title, ...missing, '', ...view.table(context.paint).split('\n')])
    else {
      for (const note of missing) context.note(note)
      if (trouble === undefined) await printAgain(context, view)
    }
    await io.sleep(everyMilliseconds)
    trouble = await load().then((next) => void (frame = next), toPassing)
  }
}

const printAgain = async (context: CliContext, view: View): Promise<void> => {
  if (context.options.output === 'json') context.io.stdout.write(`${toSafeJson(view.value)}\n`)
  else await context.print(view)
}

/** One write: whenever it is interrupted, the terminal is as it was. Lines that are too long are cut by the terminal. */
const drawFrame = ({ io: { stdout } }: CliContext, lines: readonly string[]): void => {
  const { rows = Infinity } = stdout
  const fitting = lines.length < rows ? lines : [...lines.slice(0, rows - 2), `and ${lines.length - rows + 2} more`]
  const text = fitting.map((line) => `${toSafeText(line)}\u001B[K\n`).join('')
  stdout.write(`\u001B[?7l\u001B[H${text}\u001B[J\u001B[?7h`)
}
