import { connect, type ClientHttp2Session } from 'node:http2'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  RateLimitRequestSchema,
  RateLimitResponse_Code as Code,
  RateLimitResponseSchema,
  RateLimitService,
} from '#envoy/envoy/service/ratelimit/v3/rls_pb.ts'
import { GrpcFrames, toGrpcFrame } from '../grpc-frames.ts'
import { sendSteadily } from '../send-steadily.ts'

/** A process of its own that is N sidecars which ask their agent whether requests go through. Commands come over the parent's IPC channel. */
export type AskCommand =
  | {
      readonly type: 'connect'
      readonly address: string
      readonly rootPem: string
      readonly serverName: string
      readonly proxies: readonly { readonly machineToken: string }[]
      /** The limit's name; each request is of one of so many consumers. */
      readonly limit: string
      readonly consumers: number
    }
  | { readonly type: 'run'; readonly seconds: number; readonly asksPerSecond: number }
  | { readonly type: 'close' }

export interface AskRun {
  /** Of each answer. */
  readonly milliseconds: readonly number[]
  readonly refused: number
  readonly failed: number
}

const path = `/${RateLimitService.typeName}/${RateLimitService.method.shouldRateLimit.name}`

interface Sidecar {
  readonly session: ClientHttp2Session
  readonly headers: Readonly<Record<string, string>>
}

let sidecars: readonly Sidecar[] = []
let questions: readonly Buffer[] = []

const start = (command: Extract<AskCommand, { type: 'connect' }>): void => {
  sidecars = command.proxies.map(({ machineToken }) => ({
    session: connect(`https://${command.address}`, { ca: command.rootPem, servername: command.serverName }),
    headers: {
      ':method': 'POST',
      ':path': path,
      ':authority': command.serverName,
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${machineToken}`,
    },
  }))
  questions = Array.from({ length: command.consumers }, (_, consumer) =>
    toGrpcFrame(
      toBinary(
        RateLimitRequestSchema,
        create(RateLimitRequestSchema, {
          domain: 'atoll',
          descriptors: [
            {
              entries: [
                { key: 'limit', value: command.limit },
                { key: 'claim0', value: `consumer-${consumer}` },
              ],
            },
          ],
        }),
      ),
    ),
  )
}

/** The code of the answer; undefined = there was none. */
const ask = ({ session, headers }: Sidecar, question: Buffer): Promise<Code | undefined> =>
  new Promise((resolve) => {
    const frames = new GrpcFrames()
    let code: Code | undefined
    const stream = session.request(headers)
    stream.on('data', (bytes: Buffer) => {
      for (const message of frames.push(bytes)) code = fromBinary(RateLimitResponseSchema, message).overallCode
    })
    stream.on('error', () => {})
    stream.on('close', () => resolve(code))
    stream.end(question)
  })

const run = async ({ seconds, asksPerSecond }: Extract<AskCommand, { type: 'run' }>): Promise<AskRun> => {
  const milliseconds: number[] = []
  let refused = 0
  let failed = 0
  const askNext = async (index: number): Promise<void> => {
    const sidecar = sidecars[index % sidecars.length]
    const question = questions[index % questions.length]
    if (!sidecar || !question) throw new Error('nobody is connected')
    const askedAt = performance.now()
    const code = await ask(sidecar, question)
    if (code === undefined) failed += 1
    else milliseconds.push(performance.now() - askedAt)
    if (code === Code.OVER_LIMIT) refused += 1
  }
  await sendSteadily({ seconds, perSecond: asksPerSecond }, askNext)
  return { milliseconds, refused, failed }
}

process.on('message', (command: AskCommand) => {
  if (command.type === 'connect') start(command)
  else if (command.type === 'run') void run(command).then((answer) => process.send?.(answer))
  else {
    for (const { session } of sidecars) session.close()
    process.disconnect()
  }
})
