import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { isAlive, isAnyRecordedAlive } from './lab-process.ts'
import { labCache } from './paths.ts'

const labRecord = z.object({
  slot: z.int(),
  /** The process that the lab belongs to, or that makes it; absent when it stays up until somebody takes it down. */
  owner: z.object({ pid: z.int(), startTicks: z.string() }).optional(),
})
export type LabRecord = z.output<typeof labRecord>

const labs = join(labCache, 'labs')

/** Everything that a lab writes is in here. */
export const labDirectory = (name: string): string => join(labs, name)

/** Labs of this checkout, also those that a crash left behind. */
export const listLabs = (): string[] => {
  try {
    return readdirSync(labs)
  } catch {
    return []
  }
}

export const writeLabRecord = (name: string, record: LabRecord): void => {
  mkdirSync(labDirectory(name), { recursive: true })
  writeFileSync(join(labDirectory(name), 'lab.json'), JSON.stringify(record))
}

/** Nothing when there is no such lab, or it did not get as far as a record. */
export const readLabRecord = (name: string): LabRecord | undefined => {
  try {
    return labRecord.parse(JSON.parse(readFileSync(join(labDirectory(name), 'lab.json'), 'utf8')))
  } catch {
    return undefined
  }
}

/** `left`: its makers or its processes are gone, so that it may be removed. */
export type LabState = { readonly is: 'up' } | { readonly is: 'used'; readonly by: number } | { readonly is: 'left' }

/** How it is with a lab of this checkout. */
export const readLabState = (name: string): LabState => {
  const record = readLabRecord(name)
  if (record?.owner !== undefined) return isAlive(record.owner) ? { is: 'used', by: record.owner.pid } : { is: 'left' }
  return record !== undefined && isAnyRecordedAlive(labDirectory(name)) ? { is: 'up' } : { is: 'left' }
}
