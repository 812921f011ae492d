import type { Command } from 'commander'
import { ApiClient } from '#api/client.ts'
import { listMeshes } from '#api/routes/meshes.ts'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { createPaint } from './output/colour.ts'
import type { Paint } from './output/colour.ts'
import { toProblemLines, type PlacedProblem } from './output/problem-text.ts'
import { toSafeText } from './output/safe-text.ts'
import { formatView } from './output/view.ts'
import type { OutputFormat, View } from './output/view.ts'
import { findProgramFiles } from './program-files.ts'
import { ProfileStore } from './profile-store.ts'
import type { Profile } from './profile-store.ts'

/** The options that every command takes. */
export interface GlobalOptions {
  readonly profile?: string
  readonly url?: string
  readonly mesh?: string
  readonly output: OutputFormat
}

/** What a command works with: the world, the options that all commands share, and what follows from them. */
export class CliContext {
  readonly io: CliIo
  readonly profiles: ProfileStore
  readonly #program: Command

  constructor(program: Command, io: CliIo) {
    this.#program = program
    this.io = io
    this.profiles = new ProfileStore(io.env)
  }

  get options(): GlobalOptions {
    return this.#program.opts<GlobalOptions>()
  }

  /** Name of the profile that the command is for, and what is stored under it. */
  profile(): { readonly name: string; readonly profile: Profile | undefined } {
    return this.profiles.find(this.options.profile ?? this.#env('ATOLL_PROFILE'))
  }

  /** The plane's URL and the token: options before environment before profile. */
  connection(): { readonly url: string; readonly token: string } {
    const { profile } = this.profile()
    const url = this.options.url ?? this.#env('ATOLL_URL') ?? profile?.url
    if (url === undefined) {
      throw new CliError('refused', 'You are not signed in to a plane', { remedy: 'Run "atoll login --url URL".' })
    }
    // A stored token is for the plane it came from, and must not be shown to another.
    const token = this.#env('ATOLL_TOKEN') ?? (profile?.url === toOrigin(url) ? profile.token : undefined)
    if (token === undefined) {
      throw new CliError('refused', `You are not signed in to ${url}`, { remedy: `Run "atoll login --url ${url}".` })
    }
    return { url: toOrigin(url), token }
  }

  client(): ApiClient {
    const { url, token } = this.connection()
    return this.clientOf(url, token)
  }

  clientOf(url: string, token: string | undefined): ApiClient {
    const { fetch, sleep, random, newId } = this.io
    const { version } = findProgramFiles()
    return new ApiClient({ baseUrl: url, version, token, fetch, sleep, random, newIdempotencyKey: newId })
  }

  /** The mesh that the command is for: option, environment, profile, or the only one that there is. */
  async mesh(): Promise<string> {
    const { profile } = this.profile()
    const named = this.options.mesh ?? this.#env('ATOLL_MESH') ?? profile?.mesh
    if (named !== undefined) return named
    const { items } = await this.client().call(listMeshes, { query: { limit: 2 } })
    const [only, second] = items
    if (only === undefined) {
      throw new CliError('notFound', 'There is no mesh yet', { remedy: 'Make one with "atoll mesh create NAME".' })
    }
    if (second !== undefined) {
      throw new CliError('usage', 'There are several meshes', {
        remedy: 'Choose with --mesh, ATOLL_MESH or "atoll mesh use NAME".',
      })
    }
    return only.name
  }

  /** Paints what goes to the standard output. */
  get paint(): Paint {
    return createPaint(this.io.stdout, this.io.env)
  }

  /** Paints what goes to the standard error. */
  get paintNotes(): Paint {
    return createPaint(this.io.stderr, this.io.env)
  }

  /** The result, on the standard output, as `--output` wants it. */
  async print(view: View): Promise<void> {
    this.io.stdout.write(await formatView(view, this.options.output, this.paint))
  }

  /** A word to the person, beside the result: on the standard error. */
  note(text: string): void {
    this.io.stderr.write(`${toSafeText(text)}\n`)
  }

  /** The first warnings about what a person gave, a line each, as notes. */
  noteProblems(problems: readonly PlacedProblem[]): void {
    for (const line of toProblemLines(problems, this.paintNotes)) this.note(line)
  }

  #env(name: string): string | undefined {
    const value = this.io.env[name]
    return value === '' ? undefined : value
  }
}

/** A plane's URL without a trailing slash. Only TLS or this machine: tokens go over it. `option`: what it was said with, for the error. */
export const toOrigin = (text: string, option?: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(text)))) {
    throw new CliError('usage', `${option === undefined ? '' : `${option} `}${text} is not the URL of a plane`, {
      remedy: 'It reads https://…; plain http:// only for a plane on this machine.',
    })
  }
  if (url.username !== '' || url.password !== '')
    throw new CliError('usage', 'A URL holds no password: use ATOLL_TOKEN.')
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** Whether a URL leads to this machine. */
export const isLoopback = (url: string): boolean =>
  /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname)
