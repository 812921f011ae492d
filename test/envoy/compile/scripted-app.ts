import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'

interface SeenRequest {
  readonly path: string
  readonly method: string
  readonly headers: IncomingHttpHeaders
}

/**
 * An application that answers as it is told: `x-answers: 503,hang,200` says what the first, second … try of the request `x-id` gets, the
 * last one for all after it: a status, "hang" (no answer at all) or "grpc-<status>" (gRPC without a message). Without it, 200.
 */
export class ScriptedApp {
  readonly server: Server
  readonly seen: SeenRequest[] = []
  readonly #tries = new Map<string, number>()

  constructor(name: string) {
    this.server = createServer((request, response) => {
      this.seen.push({ path: request.url ?? '', method: request.method ?? '', headers: request.headers })
      const answers = String(request.headers['x-answers'] ?? '200').split(',')
      const id = String(request.headers['x-id'] ?? '')
      const tries = this.#tries.get(id) ?? 0
      this.#tries.set(id, tries + 1)
      const answer = answers[Math.min(tries, answers.length - 1)] ?? '200'
      if (answer === 'hang') return
      const [, grpcStatus] = answer.split('grpc-')
      response.writeHead(grpcStatus === undefined ? Number(answer) : 200, {
        'x-app': name,
        ...(grpcStatus !== undefined && { 'grpc-status': grpcStatus, 'content-type': 'application/grpc' }),
      })
      response.end(name)
    })
  }

  /** The tries that a request had. */
  triesOf(id: string): number {
    return this.#tries.get(id) ?? 0
  }

  /** The requests to a path, the query included. */
  seenAt(path: string): readonly SeenRequest[] {
    return this.seen.filter((each) => each.path === path)
  }
}
