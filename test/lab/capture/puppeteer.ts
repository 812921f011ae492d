import { request } from 'node:http'
import type { Echo } from '#test/harness/echo-app.ts'
import type { Answer, Errand, LateApp } from './errand.ts'

/** Has the program of a pod (`puppet.ts`) do things, as a client or as an application, and hears what came of it. */
export class Puppeteer {
  readonly #place: { readonly socketPath: string } | { readonly host: string; readonly port: number }

  /** Where the program takes its errands. */
  constructor(place: { readonly socketPath: string } | { readonly host: string; readonly port: number }) {
    this.#place = place
  }

  send(errand: Errand): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ ...this.#place, method: 'POST', agent: false }, (incoming) => {
        let text = ''
        incoming.setEncoding('utf8')
        incoming.on('data', (chunk: string) => (text += chunk))
        incoming.on('end', () => resolve(JSON.parse(text) as Answer))
      })
      outgoing.on('error', reject)
      outgoing.end(JSON.stringify(errand))
    })
  }

  get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.send({ kind: 'http', url, headers })
  }

  /** What the application saw of the request. */
  async getEcho(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Echo> {
    const { status, body, error } = await this.get(url, headers)
    if (status !== 200) throw new Error(`${status} ${body} ${error ?? ''}`)
    return JSON.parse(body) as Echo
  }

  /** Opens a TCP connection; gives what speaks on it: what comes back first, or "" when it is closed instead. */
  async open(host: string, port: number): Promise<(text: string) => Promise<string>> {
    const opened = await this.send({ kind: 'open', host, port })
    if (opened.error !== undefined) throw new Error(opened.error)
    return async (text) => {
      const { body, error } = await this.send({ kind: 'say', connection: Number(opened.body), text })
      return error ?? body
    }
  }

  async ask(host: string, port: number, text: string): Promise<string> {
    const say = await this.open(host, port)
    return say(text)
  }

  /** Has an application listen from now on. */
  async serve(app: LateApp): Promise<void> {
    await this.send({ kind: 'serve', app })
  }

  /** Has an application listen no more. */
  async end(app: LateApp): Promise<void> {
    await this.send({ kind: 'end', app })
  }
}
