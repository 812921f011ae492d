import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { eventually } from '#test/harness/child.ts'

const processIdentity = z.object({ pid: z.int(), startTicks: z.string() })

/** A process for as long as it lives: its number alone may belong to another one later. */
export type ProcessIdentity = z.output<typeof processIdentity>

/** Nothing when there is no such process, or only what its parent has not collected yet. */
export const identifyProcess = (pid: number): ProcessIdentity | undefined => {
  try {
    // proc_pid_stat(5): after the name in parentheses come the state (3) and, at last of these, the start time (22).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    const [state, startTicks] = [fields[0], fields[19]]
    // As long as other threads of it are ending, its ports are not free.
    const hasEnded = state === 'Z' && readdirSync(`/proc/${pid}/task`).length <= 1
    return hasEnded || startTicks === undefined ? undefined : { pid, startTicks }
  } catch {
    return undefined
  }
}

export const isAlive = (identity: ProcessIdentity): boolean =>
  identifyProcess(identity.pid)?.startTicks === identity.startTicks

/** kill -9, and waits until it is gone. */
export const killProcesses = async (identities: readonly ProcessIdentity[]): Promise<void> => {
  for (const { pid } of identities.filter(isAlive)) process.kill(pid, 'SIGKILL')
  await eventually('the processes end', () => !identities.some(isAlive), 30_000, 10)
}

export interface LabProgram {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Network namespace that it runs in. */
  readonly namespace?: string
}

/** A process that outlives this one: what it prints and who it is are in files of the lab. */
export class LabProcess {
  readonly name: string
  readonly #identity: ProcessIdentity
  readonly #log: string

  private constructor(name: string, identity: ProcessIdentity, log: string) {
    this.name = name
    this.#identity = identity
    this.#log = log
  }

  /** Starts a program with its log and record in this folder. */
  static start(directory: string, program: LabProgram): LabProcess {
    mkdirSync(recordsOf(directory), { recursive: true })
    const logFile = join(directory, `${program.name}.log`)
    const log = openSync(logFile, 'a')
    const [command, args] =
      program.namespace === undefined
        ? [program.command, program.args]
        : ['nsenter', [`--net=/run/netns/${program.namespace}`, program.command, ...program.args]]
    const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
    child.unref()
    const identity = child.pid === undefined ? undefined : identifyProcess(child.pid)
    if (identity === undefined) throw new Error(`${program.name} did not start: ${command}`)
    writeFileSync(join(recordsOf(directory), program.name), JSON.stringify(identity))
    return new LabProcess(program.name, identity, logFile)
  }

  get running(): boolean {
    return isAlive(this.#identity)
  }

  /** Waits for a condition; throws with the log when the process ends or the time is over before. */
  async until<T>(what: string, condition: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
    const ended = Symbol('ended')
    try {
      const result = await eventually(what, () => (this.running ? condition() : ended), 120_000)
      if (result === ended) throw new Error(`${this.name} ended`)
      return result
    } catch (error) {
      throw new Error(`${what}: ${String(error)}\n${this.#logTail()}`, { cause: error })
    }
  }

  /** kill -9 */
  kill(): Promise<void> {
    return killProcesses([this.#identity])
  }

  #logTail(): string {
    return readFileSync(this.#log, 'utf8').split('\n').slice(-20).join('\n')
  }
}

/** Ends every process that was started with this folder, whoever started it. */
export const killRecorded = async (directory: string): Promise<void> => {
  await killProcesses(readRecorded(directory))
  rmSync(recordsOf(directory), { recursive: true, force: true })
}

/** Whether any process that was started with this folder still runs. */
export const isAnyRecordedAlive = (directory: string): boolean => readRecorded(directory).some(isAlive)

const recordsOf = (directory: string): string => join(directory, 'processes')

const readRecorded = (directory: string): ProcessIdentity[] => {
  const records = recordsOf(directory)
  let names: string[]
  try {
    names = readdirSync(records)
  } catch {
    return []
  }
  return names.flatMap((name) => {
    const read = processIdentity.safeParse(readJson(join(records, name)))
    return read.success ? [read.data] : []
  })
}

const readJson = (file: string): unknown => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined // its writer was killed while it wrote
  }
}
