import { connect } from 'node:net'

const timeoutMilliseconds = 2000

/**
 * Whether a TCP connection comes about. A gateway passes TLS through by name, so that without a name of a service behind it there is
 * nobody to shake hands with.
 */
export const tcpConnect = (address: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: timeoutMilliseconds })
    const settle = (succeeded: boolean): void => {
      socket.destroy()
      resolve(succeeded)
    }
    socket.once('connect', () => settle(true))
    socket.once('timeout', () => settle(false))
    socket.once('error', () => settle(false))
  })
