import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { AgentError } from '#agent/agent-error.ts'

const prefix = 'agent.lock.'
const answerMilliseconds = 1000

/**
 * Makes sure that one process at a time uses a data directory, also from other containers and network namespaces of the machine. The lock is a
 * Unix socket in the directory, under a name of its own, that somebody listens on: one that nobody does is of a process that has ended, however
 * that was. Each makes its own first and looks for others then, so that of two that start together at most one goes on.
 *
 * Throws AgentError `store_unusable` when another process holds it.
 */
export const lockDirectory = async (directory: string): Promise<Server> => {
  const descriptor = openSync(directory, 'r')
  const name = `${prefix}${randomUUID()}`
  // The path of a Unix socket has 107 bytes at most (unix(7)), that of a directory 4095.
  const toPath = (lock: string): string => `/proc/self/fd/${descriptor}/${lock}`
  const lock = createServer((socket) => socket.on('error', () => {}).end(String(process.pid)))
  lock.once('close', () => closeSync(descriptor))
  try {
    await new Promise<void>((resolve, reject) => lock.once('error', reject).listen(toPath(name), resolve))
  } catch (error) {
    lock.close()
    throw new AgentError('store_unusable', `${directory} can't be locked: ${String(error)}`, { cause: error })
  }
  lock.unref()
  for (const other of readdirSync(directory).filter((file) => file.startsWith(prefix) && file !== name)) {
    const holder = await askHolder(toPath(other))
    if (holder === 'nobody') rmSync(join(directory, other), { force: true })
    else {
      lock.close()
      throw new AgentError('store_unusable', `another agent (${holder}) uses ${directory}`)
    }
  }
  return lock
}

/** Who listens on a lock, for a person; a process that is busy need not answer to be there. */
const askHolder = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = ''
    const finish = (): void => {
      socket.destroy()
      resolve(/^\d+$/.test(answer) ? `process ${answer}` : 'a process that does not say its number')
    }
    const socket = createConnection(path)
    socket.setTimeout(answerMilliseconds, finish)
    socket.on('data', (chunk) => (answer += chunk.toString()))
    socket.on('end', finish)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve('nobody')
      else reject(new AgentError('store_unusable', `${path} can't be looked at: ${error.message}`, { cause: error }))
    })
  })
