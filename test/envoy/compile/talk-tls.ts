import { connect, type ConnectionOptions } from 'node:tls'

/** Where to, and by which name. Certificates are shown, not verified. */
type TlsPlace = ConnectionOptions & { readonly servername: string }

interface Seen {
  /** The name in the server's certificate. */
  readonly shown: string
  readonly version: string | null
  readonly cipher: string
  readonly text: string
}

/** Connects by TLS, sends a text, and gives what comes back; 'refused' when that fails. */
export const talkTls = async (place: TlsPlace, text: string): Promise<Seen | 'refused'> => {
  const socket = connect({ rejectUnauthorized: false, ...place })
  try {
    return await new Promise((resolve, reject) => {
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('closed')))
      socket.once('secureConnect', () => socket.write(text))
      let received = ''
      socket.on('data', (data) => {
        received += String(data)
        if (received.startsWith('HTTP') && !received.includes('\r\n\r\n')) return
        resolve({
          shown: socket.getPeerCertificate().subjectaltname ?? '',
          version: socket.getProtocol(),
          cipher: socket.getCipher().name,
          text: received,
        })
      })
    })
  } catch {
    return 'refused'
  } finally {
    socket.destroy()
  }
}

/** Asks by HTTP for what the name has at a path. */
export const getTls = (place: TlsPlace, path = '/'): Promise<Seen | 'refused'> =>
  talkTls(place, `GET ${path} HTTP/1.1\r\nhost: ${place.servername}\r\nconnection: close\r\n\r\n`)

/** Of an answer by HTTP. */
export const statusOf = (seen: Seen | 'refused'): string =>
  seen === 'refused' ? seen : (seen.text.split(' ')[1] ?? '')
