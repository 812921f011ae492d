import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ip, listNamespaces } from './ip.ts'
import { linkPrefixOfSlot, planLab } from './lab-plan.ts'
import { killRecorded } from './lab-process.ts'
import { labDirectory, readLabRecord } from './lab-record.ts'
import { removeNamespaces } from './node.ts'

/**
 * Removes a lab, whole or half made, and also when those who made it are long gone. What it removes it knows from the lab's folder and
 * the names that belong to its slot.
 */
export const removeLab = async (name: string): Promise<void> => {
  const directory = labDirectory(name)
  const record = readLabRecord(name)
  for (const folder of [directory, ...listFolders(directory)]) await killRecorded(folder)
  if (record !== undefined) {
    const { bridge, namespacePrefix } = planLab({ name }, record.slot)
    await removeNamespaces(namespacePrefix)
    // A link does not always go with its namespace: that lives on while anything holds it. The routes go with the bridge.
    const left = (await listLinks()).filter((link) => link.startsWith(linkPrefixOfSlot(record.slot)) || link === bridge)
    for (const link of left) await removeLink(link)
  }
  await rm(directory, { recursive: true, force: true })
}

/** A node's link may be going by itself meanwhile. */
const removeLink = async (link: string): Promise<void> => {
  try {
    await ip(['link', 'del', link])
  } catch (error) {
    if (!String(error).includes('Cannot find device')) throw error
  }
}

/** What there still is of a lab: its namespaces, links, routes, processes. Empty after its removal. */
export const findRemains = async (name: string, slot: number): Promise<string[]> => {
  const { bridge, namespacePrefix, hostAddress } = planLab({ name }, slot)
  const nodes = hostAddress.replace(/\d+$/, '')
  const routes = (await ip(['route'])).split('\n').filter((route) => route.includes(` ${nodes}`))
  const links = (await listLinks()).filter((link) => link === bridge || link.startsWith(linkPrefixOfSlot(slot)))
  return [...(await listNamespaces(namespacePrefix)), ...links, ...routes, ...processesIn(labDirectory(name))]
}

const listLinks = async (): Promise<string[]> =>
  (await ip(['-brief', 'link'])).split('\n').map((line) => line.split(/[@\s]/)[0] ?? '')

const processesIn = (directory: string): string[] =>
  listFolders('/proc').flatMap((folder) => {
    try {
      const command = readFileSync(join(folder, 'cmdline'), 'utf8').replaceAll('\0', ' ')
      return command.includes(`${directory}/`) ? [command] : []
    } catch {
      return [] // ended meanwhile
    }
  })

const listFolders = (directory: string): string[] => {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory, entry.name))
  } catch {
    return []
  }
}
