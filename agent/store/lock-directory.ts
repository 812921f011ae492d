import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { realpathSync } from 'node:fs'
import { AgentError } from '#agent/agent-error.ts'

/**
 * Makes sure that one process at a time uses a data directory. The lock is an abstract Unix socket (unix(7)): it goes with its
 * process, however that ends. Throws AgentError `store_unusable` when another process holds it.
 */
export const lockDirectory = async (directory: string): Promise<Server> => {
  const name = createHash('sha256').update(realpathSync(directory)).digest('hex')
  const lock = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    lock.once('error', () => reject(new AgentError('store_unusable', `another agent uses ${directory}`)))
    lock.listen(`\0atoll-agent-${name}`, resolve)
  })
  lock.unref()
  return lock
}
