import { styleText } from 'node:util'

export interface Narrator {
  readonly chapter: (title: string) => void
  readonly say: (text: string) => void
  readonly command: (text: string) => void
  readonly check: (what: string, holds: boolean, seen: string) => void
  readonly failures: readonly string[]
}

const paint = (style: 'bold' | 'green' | 'red' | 'dim' | 'cyan', text: string): string =>
  process.stdout.isTTY && !process.env.NO_COLOR ? styleText(style, text) : text

/** Tells the story on the terminal and remembers which checks failed. */
export const createNarrator = (write: (line: string) => void): Narrator => {
  const failures: string[] = []
  const started = performance.now()
  let chapters = 0
  return {
    failures,
    chapter: (title) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      write(`\n${paint('bold', `${++chapters}. ${title}`)} ${paint('dim', `(${seconds} s)`)}`)
    },
    say: (text) => write(`   ${text}`),
    command: (text) => write(`   ${paint('cyan', `$ ${text}`)}`),
    check: (what, holds, seen) => {
      if (!holds) failures.push(`${what}: ${seen}`)
      write(`   ${holds ? paint('green', '✔') : paint('red', '✘')} ${what} ${paint('dim', `(${seen})`)}`)
    },
  }
}
