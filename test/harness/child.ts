import { spawn, type ChildProcess } from 'node:child_process'

export interface ChildOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

const maxLogLines = 2000

/** A process that a test or the demo started: its output is kept (the last lines), and it never outlives this process. */
export class Child {
  readonly name: string
  readonly #process: ChildProcess
  readonly #lines: string[] = []
  readonly #stdout: string[] = []
  readonly #exited: Promise<number | null>
  #listeners = new Set<() => void>()

  constructor(options: ChildOptions) {
    this.name = options.name
    this.#process = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    running.add(this)
    this.#process.stdin?.on('error', () => {}) // a child that does not read its input is not our failure
    this.#process.stdin?.end(options.input ?? '')
    for (const stream of ['stdout', 'stderr'] as const) this.#collect(stream)
    this.#exited = new Promise((resolve) => {
      this.#process.once('error', (error) => {
        this.#push(`could not start: ${error.message}`)
        resolve(null)
      })
      this.#process.once('close', (code) => resolve(code))
    })
    void this.#exited.then(() => {
      running.delete(this)
      this.#notify()
    })
  }

  get pid(): number {
    const { pid } = this.#process
    if (pid === undefined) throw new Error(`${this.name} did not start`)
    return pid
  }

  get exitCode(): number | null {
    return this.#process.exitCode
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** The last lines of both outputs. */
  log(): string {
    return this.#lines.join('\n')
  }

  stdout(): string {
    return this.#stdout.join('\n')
  }

  /** The first output line that matches; throws with the log when the process ends or the time is over before. */
  async waitForLine(pattern: RegExp, timeoutMilliseconds = 60_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + timeoutMilliseconds
    for (;;) {
      for (const line of this.#lines) {
        const match = pattern.exec(line)
        if (match) return match
      }
      if (!this.running) throw new Error(`${this.name} ended (${this.exitCode}) before ${pattern}:\n${this.log()}`)
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`${this.name}: no ${pattern} in ${timeoutMilliseconds} ms:\n${this.log()}`)
      await this.#nextChange(left)
    }
  }

  /** Resolves with the exit code; null when it was ended by a signal or never started. */
  exited(): Promise<number | null> {
    return this.#exited
  }

  /** Ends the process: politely first, and for good after the grace. */
  async stop(graceMilliseconds = 5000): Promise<void> {
    if (!this.running) return
    this.#process.kill('SIGTERM')
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), graceMilliseconds)
    await this.#exited
    clearTimeout(timer)
  }

  /** kill -9 */
  async kill(): Promise<void> {
    if (!this.running) return
    this.#process.kill('SIGKILL')
    await this.#exited
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  #collect(stream: 'stdout' | 'stderr'): void {
    let rest = ''
    const source = this.#process[stream]
    source?.setEncoding('utf8')
    source?.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (stream === 'stdout') this.#stdout.push(line)
        this.#push(line)
      }
    })
    source?.on('end', () => {
      if (!rest) return
      if (stream === 'stdout') this.#stdout.push(rest)
      this.#push(rest)
    })
  }

  #push(line: string): void {
    this.#lines.push(line)
    if (this.#lines.length > maxLogLines) this.#lines.splice(0, this.#lines.length - maxLogLines)
    this.#notify()
  }

  #notify(): void {
    const listeners = this.#listeners
    this.#listeners = new Set()
    for (const listener of listeners) listener()
  }

  #nextChange(timeoutMilliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMilliseconds)
      this.#listeners.add(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

const running = new Set<Child>()
process.once('exit', () => {
  for (const child of running) child.signal('SIGKILL')
})

/** Runs a program to its end and gives what it printed. */
export const run = async (options: ChildOptions): Promise<{ code: number | null; stdout: string; output: string }> => {
  const child = new Child(options)
  const code = await child.exited()
  return { code, stdout: child.stdout(), output: child.log() }
}

/** Polls until the condition gives something; throws with `what` (and its last error) when the time is over. */
export const eventually = async <T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMilliseconds = 60_000,
  intervalMilliseconds = 50,
): Promise<T> => {
  const deadline = Date.now() + timeoutMilliseconds
  let last: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value !== undefined && value !== false) return value
      last = undefined
    } catch (error) {
      last = error
    }
    if (Date.now() > deadline)
      throw new Error(
        `not within ${timeoutMilliseconds} ms: ${what}${last instanceof Error ? `: ${last.message}` : ''}`,
      )
    await new Promise((resolve) => setTimeout(resolve, intervalMilliseconds))
  }
}
