import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { CliError } from '../cli-error.ts'
import { writePrivateFile } from '../private-file.ts'

const planeSecrets = z.object({
  /** 32 bytes in base64: encrypts the keys of the meshes' roots. Lost with the folder, so are they. */
  keyEncryptionKey: z.string(),
  /** What it was before, until nothing is encrypted with that any more. */
  previousKeyEncryptionKey: z.string().optional(),
  /** Lower-case hex SHA-256 of the set-up token. */
  setupTokenHash: z.string(),
  /** Another one after a restore: the meshes then start a new epoch, and agents know that history was rewound. */
  generation: z.string(),
})
export type PlaneSecrets = z.infer<typeof planeSecrets>

/**
 * A plane's folder:
 *
 *     secrets.json  what the worker is given; readable by the owner alone, as all of these
 *     setup-token   until the plane is set up
 *     state/        databases and objects
 *     plane.lock    process id of the plane that serves the folder
 */
export class PlaneDirectory {
  readonly path: string
  readonly state: string
  readonly secretsFile: string
  readonly setupTokenFile: string
  readonly #lockFile: string

  constructor(path: string) {
    this.path = path
    this.state = join(path, 'state')
    this.secretsFile = join(path, 'secrets.json')
    this.setupTokenFile = join(path, 'setup-token')
    this.#lockFile = join(path, 'plane.lock')
  }

  /** The secrets, made at the first start together with the set-up token, which is answered only then. For who has the lock. */
  open(): { readonly secrets: PlaneSecrets; readonly newSetupToken: string | undefined } {
    if (existsSync(this.secretsFile)) return { secrets: this.readSecrets(), newSetupToken: undefined }
    if (existsSync(this.state)) {
      throw new CliError(
        'conflict',
        `${this.state} is there, but not the secrets that belong to it (${this.secretsFile})`,
        {
          remedy: 'Restore the folder from a backup: without its key the roots of the meshes cannot be read.',
        },
      )
    }
    const newSetupToken = `atoll_setup_${randomBytes(8).toString('hex')}_${randomBytes(32).toString('base64url')}`
    const secrets = {
      keyEncryptionKey: randomBytes(32).toString('base64'),
      setupTokenHash: createHash('sha256').update(newSetupToken).digest('hex'),
      generation: randomUUID(),
    }
    writePrivateFile(this.setupTokenFile, `${newSetupToken}\n`)
    this.writeSecrets(secrets)
    return { secrets, newSetupToken }
  }

  readSecrets(): PlaneSecrets {
    return planeSecrets.parse(JSON.parse(readFileSync(this.secretsFile, 'utf8')))
  }

  writeSecrets(secrets: PlaneSecrets): void {
    writePrivateFile(this.secretsFile, `${JSON.stringify(secrets, undefined, 2)}\n`)
  }

  /** Puts a new key-encryption key before the one that there is, which only opens from now on. */
  rotateKeyEncryptionKey(): void {
    const secrets = this.readSecrets()
    if (secrets.previousKeyEncryptionKey !== undefined)
      throw new CliError('conflict', 'The key before this one is still there', {
        remedy:
          'When "atoll plane status" says that nothing is sealed with it: "atoll plane rotate-key --forget-previous".',
      })
    const { keyEncryptionKey: previousKeyEncryptionKey } = secrets
    this.writeSecrets({ ...secrets, keyEncryptionKey: randomBytes(32).toString('base64'), previousKeyEncryptionKey })
  }

  /** What is still sealed with it can't be opened any more. */
  forgetPreviousKey(): void {
    const { previousKeyEncryptionKey, ...secrets } = this.readSecrets()
    if (previousKeyEncryptionKey === undefined) throw new CliError('notFound', 'There is no previous key')
    this.writeSecrets(secrets)
  }

  /** Makes this process the only one that serves the folder. A lock of a process that is gone is taken over. */
  lock(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 })
    const holder = this.lockHolder()
    if (holder !== undefined && holder !== process.pid) {
      throw new CliError('conflict', `${this.path} is served already, by process ${holder}`)
    }
    rmSync(this.#lockFile, { force: true })
    writeFileSync(this.#lockFile, String(process.pid), { flag: 'wx', mode: 0o600 })
  }

  unlock(): void {
    rmSync(this.#lockFile, { force: true })
  }

  /** Process id of the plane that serves the folder now. */
  lockHolder(): number | undefined {
    if (!existsSync(this.#lockFile)) return undefined
    const pid = Number(readFileSync(this.#lockFile, 'utf8'))
    return Number.isInteger(pid) && pid > 0 && isAlive(pid) ? pid : undefined
  }

  /** The set-up token is worth nothing once it has been used. */
  forgetSetupToken(): void {
    rmSync(this.setupTokenFile, { force: true })
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
