import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { stringify } from 'yaml'
import { CliError } from '../cli-error.ts'
import { writePrivateFile } from '../private-file.ts'

/** What a joining agent is told; the fields are those of the agent's configuration file (docs/universal.md). */
export interface AgentSettings {
  readonly plane: string
  readonly directory: string
  readonly xdsAddress?: string | undefined
  readonly httpAddress?: string | undefined
  readonly gateways?: readonly string[] | undefined
}

const CONFIG_FILE = 'agent.yaml'
const JOIN_TOKEN_FILE = 'join-token'
/** Where an agent that has joined keeps who it is (agent/data-directory.ts); with it, a join token is never looked at. */
const IDENTITY_FILE = 'agent.sealed'

/** Throws when an agent has joined from the folder, or has a configuration in it that should not be written over. */
export const refuseExistingAgent = (dataDirectory: string, force: boolean): void => {
  if (existsSync(join(dataDirectory, IDENTITY_FILE))) {
    throw new CliError('conflict', `The agent of ${dataDirectory} has joined a mesh already`, {
      remedy: 'Choose another --data. To change its settings, edit its agent.yaml.',
    })
  }
  const path = join(dataDirectory, CONFIG_FILE)
  if (force || !existsSync(path)) return
  throw new CliError('conflict', `${path} is there already`, {
    remedy: 'Choose another --data, or say --force to write over it.',
  })
}

/** Writes the agent's configuration and its join token; answers the configuration's path. */
export const writeAgentFiles = (dataDirectory: string, settings: AgentSettings, joinToken: string): string => {
  const { plane, directory, xdsAddress, httpAddress, gateways } = settings
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 })
  mkdirSync(directory, { recursive: true })
  writePrivateFile(join(dataDirectory, JOIN_TOKEN_FILE), `${joinToken}\n`)
  const path = join(dataDirectory, CONFIG_FILE)
  // Paths are relative to the file, so that the folder can be moved as a whole.
  const config = {
    plane,
    directory: relative(resolve(dataDirectory), resolve(directory)),
    dataDirectory: '.',
    ...(xdsAddress !== undefined && { xdsAddress }),
    ...(httpAddress !== undefined && { httpAddress }),
    ...(gateways !== undefined && { gateways }),
    joinTokenFile: JOIN_TOKEN_FILE,
  }
  writeFileSync(path, stringify(config))
  return path
}
