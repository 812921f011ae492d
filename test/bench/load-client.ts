import { AdsClient } from './ads-client.ts'
import type { ShallowResponse } from './shallow-response.ts'
import { typeUrls } from '#xds/type-url.ts'

/** What a proxy waits for: a resource of this name that holds this text. */
export interface Mark {
  readonly resource: string
  readonly text: string
}

/**
 * A process of its own (so that its CPU time and memory are not the server's) that is N proxies to one agent. Commands come over
 * the parent's IPC channel, answers go back the same way; times are milliseconds since the Unix epoch, with fractions.
 */
export type LoadCommand =
  | {
      readonly type: 'connect'
      readonly address: string
      readonly rootPem: string
      readonly serverName: string
      readonly routes: readonly string[]
      readonly proxies: readonly { readonly nodeId: string; readonly machineToken: string }[]
      /** How many resources of each kind a proxy has when it is fully configured. */
      readonly expected: { readonly clusters: number; readonly endpoints: number; readonly virtualHosts: number }
    }
  | { readonly type: 'watch'; readonly id: number; readonly typeUrl: string; readonly marks: readonly Mark[] }
  | { readonly type: 'close' }

export type LoadAnswer =
  | {
      readonly type: 'cold'
      readonly startedAt: number
      readonly completedAt: readonly number[]
      readonly bytes: number
    }
  | { readonly type: 'armed'; readonly id: number }
  | { readonly type: 'seen'; readonly id: number; readonly at: readonly number[]; readonly bytes: number }
  | { readonly type: 'failed'; readonly message: string }

interface Watch {
  readonly id: number
  readonly typeUrl: string
  /** Text by resource, of each proxy that has not seen all of them. */
  readonly missing: Map<number, Map<string, string>>
  readonly at: number[]
  readonly bytesBefore: number
}

const now = (): number => performance.timeOrigin + performance.now()
const answer = (message: LoadAnswer): void => void process.send?.(message)

const watchTimeoutMilliseconds = 30_000

const clients: AdsClient[] = []
let bytes = 0
let watch: Watch | undefined
let closing = false

const connect = (command: Extract<LoadCommand, { type: 'connect' }>): void => {
  const startedAt = now()
  const completedAt: number[] = []
  const bytesBefore = bytes
  for (const proxy of command.proxies) {
    const index = clients.length
    const left = new Map<string, number>([
      [typeUrls.cluster, command.expected.clusters],
      [typeUrls.endpoint, command.expected.endpoints],
      [typeUrls.virtualHost, command.expected.virtualHosts],
    ])
    let complete = false
    clients.push(
      new AdsClient({
        ...command,
        ...proxy,
        onResponse: (response, size) => {
          bytes += size
          if (!complete) {
            left.set(response.typeUrl, (left.get(response.typeUrl) ?? 0) - response.resources.length)
            complete = [...left.values()].every((count) => count <= 0)
            if (complete && completedAt.push(now()) === command.proxies.length)
              answer({ type: 'cold', startedAt, completedAt, bytes: bytes - bytesBefore })
          }
          see(index, response)
        },
        onEnd: (error) => {
          if (!closing) answer({ type: 'failed', message: `${proxy.nodeId}: ${error.message}` })
        },
      }),
    )
  }
}

const see = (index: number, response: ShallowResponse): void => {
  const missing = watch?.missing.get(index)
  if (!watch || !missing || response.typeUrl !== watch.typeUrl) return
  for (const { name, body } of response.resources) {
    const text = missing.get(name)
    if (text !== undefined && Buffer.from(body.buffer, body.byteOffset, body.byteLength).includes(text))
      missing.delete(name)
  }
  if (missing.size > 0) return
  watch.missing.delete(index)
  watch.at.push(now())
  if (watch.missing.size > 0) return
  answer({ type: 'seen', id: watch.id, at: watch.at, bytes: bytes - watch.bytesBefore })
  watch = undefined
}

process.on('message', (command: LoadCommand) => {
  if (command.type === 'connect') connect(command)
  else if (command.type === 'watch') {
    const all = command.marks.map(({ resource, text }) => [resource, text] as const)
    watch = {
      id: command.id,
      typeUrl: command.typeUrl,
      missing: new Map(clients.map((_, index) => [index, new Map(all)])),
      at: [],
      bytesBefore: bytes,
    }
    answer({ type: 'armed', id: command.id })
    const { missing } = watch
    const total = clients.length
    setTimeout(() => {
      if (missing.size > 0)
        answer({
          type: 'failed',
          message: `${missing.size} of ${total} proxies have not got ${command.marks.map(({ text }) => text).join(', ')}`,
        })
    }, watchTimeoutMilliseconds).unref()
  } else {
    closing = true
    for (const client of clients) client.close()
    process.disconnect()
  }
})
