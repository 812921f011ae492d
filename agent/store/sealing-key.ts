import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { AgentError } from '#agent/agent-error.ts'
import { writeFileAtomically } from './write-atomically.ts'

export type SealingKey = Uint8Array & { readonly __brand: 'SealingKey' }

const keyBytes = 32

/**
 * The key that seals the data directory: read from `file`, which is made (mode 0600) when it is not there and `create` is set.
 * Throws AgentError `store_unusable` when it can't be read or is not 32 bytes in base64; a key is never replaced.
 */
export const loadSealingKey = (file: string, create: boolean): SealingKey => {
  if (create && !existsSync(file)) writeFileAtomically(file, `${randomBytes(keyBytes).toString('base64')}\n`)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new AgentError('store_unusable', `the sealing key ${file} can't be read`, { cause: error })
  }
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length !== keyBytes)
    throw new AgentError('store_unusable', `${file} is not a sealing key: it must hold ${keyBytes} bytes in base64`)
  return key as Uint8Array as SealingKey
}
