import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** What an application answers; a body that is no text is sent as JSON. */
export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export type Handler = (request: IncomingMessage, path: string) => Answer | Promise<Answer>

/**
 * Serves one application, of Bookinfo unless it has another port, until it is asked to end. It logs a line a request, with the caller's SPIFFE ID where a proxy has
 * told one: the only thing that Istio's own don't do.
 */
export const serve = (handle: Handler, port = 9080): void => {
  const server = createServer((request, response) => void answer(handle, request, response))
  server.listen(port, '0.0.0.0', () => console.log(`Server listening on: http://0.0.0.0:${port}`))
  // As a container's first process it has to ask for the signal: nothing else ends it.
  process.once('SIGTERM', () => {
    server.close(() => process.exit(0))
    server.closeIdleConnections()
  })
}

const answer = async (handle: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  console.log(`${request.method} ${request.url} from ${toCaller(request)}`)
  const { status = 200, headers, body } = await toAnswer(handle, request, pathname)
  const isText = typeof body === 'string'
  response.writeHead(status, { 'content-type': isText ? 'text/html; charset=utf-8' : 'application/json', ...headers })
  response.end(isText ? body : JSON.stringify(body))
}

const toAnswer = async (handle: Handler, request: IncomingMessage, path: string): Promise<Answer> => {
  try {
    return await handle(request, path)
  } catch (error) {
    console.log(error)
    return { status: 500, body: { error: 'Internal Server Error' } }
  }
}

const toCaller = ({ headers }: IncomingMessage): string =>
  /(?:^|;)URI=([^;,"]+)/.exec(String(headers['x-forwarded-client-cert'] ?? ''))?.[1] ?? 'nobody known'

export const notFound: Answer = { status: 404, body: { error: 'not found' } }

/** The last part of `/reviews/0`, where the path begins with `/reviews/`. */
export const parseId = (path: string, prefix: string): string | undefined =>
  path.startsWith(prefix) ? path.slice(prefix.length) : undefined
