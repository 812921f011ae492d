import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { CliError } from './cli-error.ts'
import { ensureWritable, writePrivateFile } from './private-file.ts'

const profile = z.object({ url: z.string(), org: z.string(), token: z.string(), mesh: z.string().optional() })
export type Profile = z.infer<typeof profile>

const profileFile = z.object({ current: z.string(), profiles: z.record(z.string(), profile) })
type ProfileFile = z.infer<typeof profileFile>

const DEFAULT_PROFILE = 'default'

/** The profiles in the user's config folder: where a plane is, and the token for it. Readable by the user alone. */
export class ProfileStore {
  readonly path: string

  constructor(env: Readonly<Record<string, string | undefined>>) {
    const base = env['XDG_CONFIG_HOME']
    this.path = join(base === undefined || base === '' ? join(homedir(), '.config') : base, 'atoll', 'config.yaml')
  }

  /** The profile of this name, or the current one, and its name. */
  find(name: string | undefined): { readonly name: string; readonly profile: Profile | undefined } {
    const file = this.#read()
    const wanted = name ?? file.current
    return { name: wanted, profile: file.profiles[wanted] }
  }

  /** Throws when a profile could not be saved: better before a secret is fetched than after. */
  ensureWritable(): void {
    ensureWritable(this.path)
    this.#read()
  }

  /** Stores a profile. */
  save(name: string, value: Profile): void {
    const { current, profiles } = this.#read()
    this.#write({ current, profiles: { ...profiles, [name]: value } })
  }

  /** Makes a profile the one that commands use when none is named. */
  use(name: string): void {
    this.#write({ ...this.#read(), current: name })
  }

  remove(name: string): void {
    const { profiles, current } = this.#read()
    const { [name]: _, ...rest } = profiles
    this.#write({ current: current === name ? (Object.keys(rest)[0] ?? DEFAULT_PROFILE) : current, profiles: rest })
  }

  #read(): ProfileFile {
    let text: string
    try {
      this.#refuseOpenFile()
      text = readFileSync(this.path, 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
        return { current: DEFAULT_PROFILE, profiles: {} }
      throw error
    }
    const parsed = profileFile.safeParse(parseYaml(text))
    if (parsed.success) return parsed.data
    throw new CliError('usage', `${this.path} is not a file of profiles: ${z.prettifyError(parsed.error)}`, {
      remedy: `Move it away and run "atoll login".`,
    })
  }

  #refuseOpenFile(): void {
    if (process.platform === 'win32' || (statSync(this.path).mode & 0o077) === 0) return
    throw new CliError('usage', `${this.path} holds tokens and can be read by others`, {
      remedy: `chmod 600 ${this.path}`,
    })
  }

  #write(file: ProfileFile): void {
    writePrivateFile(this.path, stringify(file))
  }
}

const parseYaml = (text: string): unknown => {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}
