import type { Server } from 'node:net'
import { toAddressError } from '#agent/agent-error.ts'
import type { HostPort } from '#agent/config.ts'

/** Gives the port, which is another one than asked for when that is 0. */
export const listen = async (server: Server, wanted: HostPort): Promise<number> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(toAddressError(wanted, error)))
    server.listen(wanted.port, wanted.host, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address ? address.port : wanted.port
}

/** For a server that anybody can reach: whoever says nothing, or too slowly, has no connection for long. */
export const patience = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 1_000 } as const
