import { connect, constants, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { LogsService } from '#envoy/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts'
import { fillTemplate, LINES_OF_MESSAGE, toRecordTemplate, type RecordTemplate } from './record-template.ts'

/** A process of its own that is N sidecars which tell their agent of requests. Commands come over the parent's IPC channel. */
export type RecordCommand =
  | {
      readonly type: 'connect'
      readonly address: string
      readonly rootPem: string
      readonly serverName: string
      readonly proxies: readonly { readonly machineToken: string }[]
    }
  /** Without a rate: as much as is taken. */
  | { readonly type: 'run'; readonly seconds: number; readonly linesPerSecond?: number }
  | { readonly type: 'close' }

/** Of one run. What was not told in time the proxy has dropped. */
export interface RecordRun {
  readonly seconds: number
  readonly told: number
  readonly dropped: number
}

/** As Envoys have them: so long one waits for an answer (xds/build/build-record-log.ts); and what one holds back at most. */
const timeoutMilliseconds = 10_000
const maxOpen = 100
/** Of one proxy, when it sends as much as is taken. */
const openWhenFree = 2
const tickMilliseconds = 5

const path = `/${LogsService.typeName}/${LogsService.method.export.name}`

interface Sidecar {
  readonly session: ClientHttp2Session
  readonly headers: Readonly<Record<string, string>>
  readonly template: RecordTemplate
  open: number
}

let sidecars: readonly Sidecar[] = []
let nextLine = 0
let told = 0
let dropped = 0
let failure = ''

const start = (command: Extract<RecordCommand, { type: 'connect' }>): void => {
  sidecars = command.proxies.map(({ machineToken }, index) => ({
    session: connect(`https://${command.address}`, { ca: command.rootPem, servername: command.serverName }).on(
      'error',
      (error) => (failure = error.message),
    ),
    headers: {
      ':method': 'POST',
      ':path': path,
      ':authority': command.serverName,
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${machineToken}`,
    },
    template: toRecordTemplate(index),
    open: 0,
  }))
}

const tell = (sidecar: Sidecar, onDone: () => void): void => {
  const first = nextLine
  nextLine += LINES_OF_MESSAGE
  sidecar.open += 1
  let isTaken = false
  const stream = sidecar.session.request(sidecar.headers)
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), timeoutMilliseconds)
  const take = ({ 'grpc-status': status, 'grpc-message': message }: IncomingHttpHeaders): void => {
    isTaken = String(status ?? '') === '0'
    if (status !== undefined && !isTaken) failure = `${status.toString()} ${message?.toString() ?? ''}`
  }
  stream.on('response', take)
  stream.on('trailers', take)
  stream.on('error', (error) => (failure = error.message))
  stream.on('close', () => {
    clearTimeout(timer)
    sidecar.open -= 1
    if (isTaken) told += LINES_OF_MESSAGE
    else dropped += LINES_OF_MESSAGE
    onDone()
  })
  stream.resume()
  stream.end(fillTemplate(sidecar.template, first))
}

const untilAnswered = async (): Promise<void> => {
  while (sidecars.some(({ open }) => open > 0)) await sleep(tickMilliseconds)
}

const runFree = async (seconds: number): Promise<void> => {
  const until = performance.now() + seconds * 1000
  const goOn = (sidecar: Sidecar): void => {
    if (performance.now() < until && failure === '') tell(sidecar, () => goOn(sidecar))
  }
  for (const sidecar of sidecars) for (let open = 0; open < openWhenFree; open += 1) goOn(sidecar)
  await sleep(seconds * 1000)
}

const runSteady = async (seconds: number, linesPerSecond: number): Promise<void> => {
  const startedAt = performance.now()
  let messages = 0
  for (;;) {
    const elapsed = (performance.now() - startedAt) / 1000
    if (elapsed >= seconds) return
    for (; messages < (elapsed * linesPerSecond) / LINES_OF_MESSAGE; messages += 1) {
      const sidecar = sidecars[messages % sidecars.length]
      if (!sidecar || sidecar.open >= maxOpen) dropped += LINES_OF_MESSAGE
      else tell(sidecar, () => {})
    }
    await sleep(tickMilliseconds)
  }
}

const run = async ({ seconds, linesPerSecond }: Extract<RecordCommand, { type: 'run' }>): Promise<void> => {
  const startedAt = performance.now()
  ;[told, dropped, failure] = [0, 0, '']
  await (linesPerSecond === undefined ? runFree(seconds) : runSteady(seconds, linesPerSecond))
  const answer = { seconds: (performance.now() - startedAt) / 1000 }
  await untilAnswered()
  // What an agent answers with when it has too much to do is not the run's failure; that nothing was taken is.
  process.send?.(told === 0 ? { failure } : ({ ...answer, told, dropped } satisfies RecordRun))
}

process.on('message', (command: RecordCommand) => {
  if (command.type === 'connect') start(command)
  else if (command.type === 'run') void run(command)
  else {
    for (const { session } of sidecars) session.close()
    process.disconnect()
  }
})
