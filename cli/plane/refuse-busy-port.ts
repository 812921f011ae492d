import { createServer } from 'node:net'
import { CliError } from '../cli-error.ts'

/**
 * The runtime itself would wait for the port for ever.
 *
 * @throws CliError when the port can't be listened on.
 */
export const refuseBusyPort = ({ host, port }: { readonly host: string; readonly port: number }): Promise<void> =>
  new Promise((resolve, reject) => {
    // Who connects at this moment would otherwise keep the server from closing.
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error) =>
      reject(new CliError('failed', `${host}:${port} can't be listened on: ${error.message}`)),
    )
    server.listen({ host, port }, () => server.close(() => resolve()))
  })
