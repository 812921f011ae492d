import type { CliIo } from '../cli-io.ts'

/** One line on the terminal that is rewritten while something goes on; without a terminal it says nothing. */
export class Progress {
  readonly #stderr: CliIo['stderr']
  #shown = false

  constructor(stderr: CliIo['stderr']) {
    this.#stderr = stderr
  }

  show(text: string): void {
    if (this.#stderr.isTTY !== true) return
    this.#stderr.write(`\r\u001B[K${text}`)
    this.#shown = true
  }

  clear(): void {
    if (this.#shown) this.#stderr.write('\r\u001B[K')
    this.#shown = false
  }
}
