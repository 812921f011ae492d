import { Agent, createServer, get, request, type ServerResponse } from 'node:http'
import { proxyAdminPort } from '#mesh/kubernetes/conventions.ts'
import { callerPort, type LoadReport } from './load-report.ts'

// An application that knows nothing of a mesh and calls another one, at a fixed rate however long the answers take.

const patienceMs = 15_000
const slowMs = 1000
const agent = new Agent({ keepAlive: true })

const ask = (url: string): Promise<{ readonly status: number | undefined; readonly body: string }> =>
  new Promise((resolve, reject) => {
    const outgoing = get(url, { agent, timeout: patienceMs }, (incoming) => {
      let body = ''
      incoming.setEncoding('utf8').on('data', (text: string) => (body += text))
      incoming.on('error', reject).on('end', () => resolve({ status: incoming.statusCode, body }))
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${patienceMs} ms`)))
    outgoing.on('error', reject)
  })

class Load {
  readonly #url: string
  readonly #startedMs = Date.now()
  readonly #timer: NodeJS.Timeout
  readonly #underWay = new Set<Promise<void>>()
  readonly #failures: LoadReport['failures'] = []
  readonly #answers: Record<string, number> = {}
  #sent = 0
  #slow = 0
  #slowestMs = 0

  constructor(url: string, perSecond: number) {
    this.#url = url
    this.#timer = setInterval(() => this.#send(), 1000 / perSecond)
  }

  /** Ends the load, and tells about it when the last request has been answered. */
  async end(): Promise<LoadReport> {
    clearInterval(this.#timer)
    await Promise.all(this.#underWay)
    return {
      sent: this.#sent,
      failures: this.#failures,
      slow: this.#slow,
      slowestMs: this.#slowestMs,
      answers: this.#answers,
    }
  }

  #send(): void {
    this.#sent++
    const sending: Promise<void> = this.#call().finally(() => this.#underWay.delete(sending))
    this.#underWay.add(sending)
  }

  async #call(): Promise<void> {
    const sentMs = Date.now()
    const fail = (why: string) =>
      this.#failures.push({ atMs: sentMs - this.#startedMs, tookMs: Date.now() - sentMs, why })
    try {
      const { status, body } = await ask(this.#url)
      if (status === 200) this.#answers[body] = (this.#answers[body] ?? 0) + 1
      else fail(`${status} ${body}`)
    } catch (error) {
      fail(String(error))
    }
    const tookMs = Date.now() - sentMs
    if (tookMs > slowMs) this.#slow++
    this.#slowestMs = Math.max(this.#slowestMs, tookMs)
  }
}

let load: Load | undefined

/** `POST /load?url=…&perSecond=…` begins, `DELETE /load` ends and tells. Anything else is asked of the proxy's admin interface. */
createServer((incoming, response) => {
  const { pathname, searchParams } = new URL(incoming.url ?? '', 'http://caller')
  if (pathname !== '/load') return passToProxy(incoming.url ?? '', response)
  if (incoming.method === 'POST') {
    load = new Load(searchParams.get('url') ?? '', Number(searchParams.get('perSecond')))
    response.end()
    return
  }
  void load?.end().then((report) => response.end(JSON.stringify(report)))
}).listen(callerPort, '0.0.0.0')

const passToProxy = (path: string, response: ServerResponse): void => {
  const outgoing = request({ host: '127.0.0.1', port: proxyAdminPort, path }, (incoming) => incoming.pipe(response))
  outgoing.on('error', (error) => response.writeHead(502).end(String(error)))
  outgoing.end()
}

process.once('SIGTERM', () => process.exit(0))
