import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { toErrorMessage } from '#mesh/error-message.ts'
import { CliError } from '../cli-error.ts'
import { backupManifest, hashFiles, MANIFEST } from './backup-manifest.ts'
import type { BackupManifest } from './backup-manifest.ts'
import { PlaneDirectory } from './plane-directory.ts'
import { readTar } from './tar.ts'

/**
 * Unpacks a backup into an empty folder, whole or not at all, and gives the plane a new generation: its meshes start new epochs,
 * so that agents know that what they have may be newer than what the plane has.
 */
export const restorePlane = async (archive: string, data: string): Promise<BackupManifest> => {
  const target = resolve(data)
  if (existsSync(target) && readdirSync(target).length > 0) {
    throw new CliError('conflict', `${data} is not empty`, { remedy: 'Restore into a new folder.' })
  }
  mkdirSync(dirname(target), { recursive: true })
  const staging = mkdtempSync(join(dirname(target), '.atoll-restore-'))
  try {
    const manifest = await unpack(archive, staging)
    const directory = new PlaneDirectory(staging)
    directory.writeSecrets({ ...directory.readSecrets(), generation: randomUUID() })
    if (existsSync(target)) rmdirSync(target)
    renameSync(staging, target)
    return manifest
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError('failed', `${archive} cannot be restored: ${toErrorMessage(error)}`, { cause: error })
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

const unpack = async (archive: string, staging: string): Promise<BackupManifest> => {
  const [first, ...names] = await readTar(archive, staging)
  if (first !== MANIFEST) throw new Error('it is not a backup of a plane')
  const manifest = backupManifest.parse(JSON.parse(readFileSync(join(staging, MANIFEST), 'utf8')))
  const hashes = await hashFiles(staging, names)
  const missing = Object.keys(manifest.files).filter((name) => !(name in hashes))
  if (missing.length > 0) throw new Error(`files are missing from it: ${missing.join(', ')}`)
  const changed = names.filter((name) => hashes[name] !== manifest.files[name])
  if (changed.length > 0) throw new Error(`the checksum is wrong of ${changed.join(', ')}`)
  rmSync(join(staging, MANIFEST))
  return manifest
}
