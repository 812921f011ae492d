import { WebSocket, type RawData } from 'ws'
import type { PlaneConnection } from '#agent/plane-connection.ts'
import { UPLINK_MAX_MESSAGE_CHARS } from '#mesh/uplink.ts'
import type { OpenSocket } from './uplink-socket.ts'

/** A character of a JavaScript string is at most three bytes of UTF-8. */
const maxMessageBytes = UPLINK_MAX_MESSAGE_CHARS * 3
const handshakeTimeoutMilliseconds = 10_000

/** Opens WebSockets to the plane's uplink for one mesh. */
export const createWebSocketOpener =
  (connection: PlaneConnection, meshId: string): OpenSocket =>
  (handlers) => {
    const { ca, agent } = connection
    const url = `${connection.url.replace(/^http/, 'ws')}/v1/uplink/${encodeURIComponent(meshId)}`
    const socket = new WebSocket(url, {
      maxPayload: maxMessageBytes,
      handshakeTimeout: handshakeTimeoutMilliseconds,
      followRedirects: false,
      ...(ca === undefined ? {} : { ca }),
      ...(agent === undefined ? {} : { agent }),
    })
    let failure: string | undefined
    socket.on('open', () => handlers.onOpen())
    socket.on('message', (data: RawData, isBinary: boolean) => {
      if (isBinary) socket.terminate()
      else handlers.onText(toText(data))
    })
    socket.on('unexpected-response', (_request, { statusCode = 0 }) => {
      failure =
        statusCode === 404 ? 'the plane at this address does not know the mesh' : `the plane answered ${statusCode}`
      socket.terminate()
    })
    socket.on('error', (error) => {
      failure ??= error.message
    })
    socket.on('close', (code, reason) =>
      handlers.onClose(failure ?? `closed with ${code}${reason.length > 0 ? `: ${reason.toString()}` : ''}`),
    )
    return {
      send: (text, sent) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(text, () => sent())
      },
      get bufferedBytes() {
        return socket.bufferedAmount
      },
      close: (reason) => {
        if (socket.readyState === WebSocket.OPEN) socket.close(1000, reason.slice(0, 100))
        // The other side may never answer: a socket that is half open must not stay.
        setTimeout(() => socket.terminate(), 1000).unref()
      },
    }
  }

const toText = (data: RawData): string => {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8')
  return Buffer.from(data instanceof ArrayBuffer ? new Uint8Array(data) : data).toString('utf8')
}
