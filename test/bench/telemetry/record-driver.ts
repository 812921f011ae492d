import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { RecordCommand, RecordRun } from './record-client.ts'

/** The parent's end of a process that is N sidecars (record-client.ts). */
export class RecordDriver {
  readonly #child = fork(join(import.meta.dirname, 'record-client.ts'))

  connect(command: Omit<Extract<RecordCommand, { type: 'connect' }>, 'type'>): void {
    this.#send({ type: 'connect', ...command })
  }

  /** Without a rate: as much as is taken. */
  run(seconds: number, linesPerSecond?: number): Promise<RecordRun> {
    const answer = new Promise<RecordRun>((resolve, reject) => {
      this.#child.once('message', (message: RecordRun | { readonly failure: string }) =>
        'failure' in message ? reject(new Error(`nothing was taken: ${message.failure}`)) : resolve(message),
      )
      this.#child.once('exit', (code) => reject(new Error(`the process that sends records ended with ${code}`)))
    })
    this.#send({ type: 'run', seconds, ...(linesPerSecond !== undefined && { linesPerSecond }) })
    return answer
  }

  close(): void {
    if (this.#child.connected) this.#send({ type: 'close' })
  }

  #send(command: RecordCommand): void {
    this.#child.send(command)
  }
}
