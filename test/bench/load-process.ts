import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { LoadAnswer, LoadCommand, Mark } from './load-client.ts'

type AnswerOf<Type extends LoadAnswer['type']> = Extract<LoadAnswer, { type: Type }>

const answerTimeoutMilliseconds = 180_000

/** The parent's end of a load client. */
export class LoadProcess {
  readonly #child: ChildProcess
  #watches = 0

  constructor() {
    this.#child = fork(join(import.meta.dirname, 'load-client.ts'), { serialization: 'advanced' })
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the load client did not start')
    return this.#child.pid
  }

  /** Connects the proxies and resolves when all of them have their whole configuration. */
  connect(command: Omit<Extract<LoadCommand, { type: 'connect' }>, 'type'>): Promise<AnswerOf<'cold'>> {
    const cold = this.#next('cold', () => true)
    this.#child.send({ type: 'connect', ...command })
    return cold
  }

  /** Arms the client; `seen` resolves when every proxy has got all of these. */
  async watch(typeUrl: string, marks: readonly Mark[]): Promise<{ readonly seen: Promise<AnswerOf<'seen'>> }> {
    const id = ++this.#watches
    const armed = this.#next('armed', (answer) => answer.id === id)
    this.#child.send({ type: 'watch', id, typeUrl, marks })
    await armed
    return { seen: this.#next('seen', (answer) => answer.id === id) }
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const closed = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.send({ type: 'close' })
    await closed
  }

  #next<Type extends LoadAnswer['type']>(
    type: Type,
    matches: (answer: AnswerOf<Type>) => boolean,
  ): Promise<AnswerOf<Type>> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => settle(() => reject(new Error(`the load client did not say "${type}"`))),
        answerTimeoutMilliseconds,
      )
      const listen = (answer: LoadAnswer): void => {
        if (answer.type === 'failed') settle(() => reject(new Error(answer.message)))
        else if (isOf(answer, type) && matches(answer)) settle(() => resolve(answer))
      }
      const settle = (finish: () => void): void => {
        clearTimeout(timer)
        this.#child.off('message', listen)
        finish()
      }
      this.#child.on('message', listen)
    })
  }
}

const isOf = <Type extends LoadAnswer['type']>(answer: LoadAnswer, type: Type): answer is AnswerOf<Type> =>
  answer.type === type
