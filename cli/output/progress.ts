import type { CliIo } from '../cli-io.ts'

/** One line on the terminal that is rewritten while something goes on; without a terminal only its steps are said. */
export class Progress {
  readonly #stderr: CliIo['stderr']
  #shown = false
  #step = ''

  constructor(stderr: CliIo['stderr']) {
    this.#stderr = stderr
  }

  show(text: string): void {
    if (this.#stderr.isTTY !== true) return
    this.#stderr.write(`\r\u001B[K${text}`)
    this.#shown = true
  }

  /** Without a terminal a line of its own, when it is not as before; there `details`, which come and go, are left out. */
  step(text: string, details: readonly string[]): void {
    if (this.#stderr.isTTY !== true && text !== this.#step) this.#stderr.write(`${text}\n`)
    this.#step = text
    this.show([text, ...details].join('; '))
  }

  clear(): void {
    if (this.#shown) this.#stderr.write('\r\u001B[K')
    this.#shown = false
  }
}
