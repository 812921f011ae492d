import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { CliError } from '../cli-error.ts'
import { findProgramFiles } from '../program-files.ts'
import { hashFiles, MANIFEST } from './backup-manifest.ts'
import type { BackupManifest } from './backup-manifest.ts'
import { PlaneDirectory } from './plane-directory.ts'
import { writeTar } from './tar.ts'

/** Databases that SQLite copies with what is in their logs; the logs themselves stay behind. */
const isDatabase = (name: string): boolean => name.endsWith('.sqlite')
const isDatabaseLog = (name: string): boolean => /\.sqlite-(wal|shm)$/.test(name)
/** Miniflare's HTTP cache: nothing that is worth keeping. */
const isCache = (name: string): boolean => name.startsWith('cache/')

/**
 * Copies a plane's folder into one archive, while the plane runs or not. Each database is copied at one moment (SQLite's online
 * backup): a mesh is whole, since all of it is in one database. Answers the number of files.
 */
export const backupPlane = async (data: string, archive: string, nowMs: number): Promise<number> => {
  const directory = new PlaneDirectory(resolve(data))
  if (!existsSync(directory.secretsFile)) throw new CliError('notFound', `${data} is not the folder of a plane`)
  if (existsSync(archive)) throw new CliError('conflict', `${archive} is there already`)
  // Beside the archive: it has to have room for it anyway, and temporary folders may be small.
  const staging = mkdtempSync(join(dirname(resolve(archive)), '.atoll-backup-'))
  try {
    const names = await copyState(directory, staging)
    const manifest: BackupManifest = {
      format: 1,
      atollVersion: findProgramFiles().version,
      createdAt: new Date(nowMs).toISOString(),
      files: await hashFiles(staging, names),
    }
    writeFileSync(join(staging, MANIFEST), JSON.stringify(manifest), { mode: 0o600 })
    const whole = join(staging, 'archive.tar')
    await writeTar(whole, staging, [MANIFEST, ...names])
    renameSync(whole, archive)
    return names.length
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

const copyState = async (directory: PlaneDirectory, staging: string): Promise<string[]> => {
  const names: string[] = []
  const take = async (name: string, copy: (source: string, target: string) => unknown) => {
    const target = join(staging, name)
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 })
    await copy(join(directory.path, name), target)
    names.push(name)
  }
  await take('secrets.json', copyFileSync)
  const inState = listFiles(directory.state).filter((name) => !isCache(name) && !isDatabaseLog(name))
  // What databases refer to is written before they do: so databases go first.
  for (const name of inState.filter(isDatabase)) await take(join('state', name), copyDatabase)
  for (const name of listFiles(directory.state).filter(
    (name) => !isCache(name) && !isDatabaseLog(name) && !isDatabase(name),
  ))
    await take(join('state', name), copyFileSync)
  return names
}

const listFiles = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
        .toSorted()
    : []

const copyDatabase = async (source: string, target: string): Promise<void> => {
  const database = new DatabaseSync(source, { readOnly: true })
  try {
    await backup(database, target)
  } finally {
    database.close()
  }
}
