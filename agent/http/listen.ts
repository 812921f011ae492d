import type { Server } from 'node:net'
import { AgentError } from '#agent/agent-error.ts'
import type { HostPort } from '#agent/config.ts'

/** Gives the port, which is another one than asked for when that is 0. */
export const listen = async (server: Server, { host, port }: HostPort): Promise<number> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new AgentError('address_in_use', `${host}:${port} can't be listened on: ${error.message}`, { cause: error }),
      ),
    )
    server.listen(port, host, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address ? address.port : port
}

/** For a server that anybody can reach: whoever says nothing, or too slowly, has no connection for long. */
export const patience = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 1_000 } as const
