import * as grpc from '@grpc/grpc-js'
import type { Theatre } from './theatre.ts'
import { asItIs, listenGrpc, message, readFields, toText } from './wire-messages.ts'

/**
 * A server outside of the mesh that is told of requests and answers (Envoy: ext_proc), and marks both; it answers requests for paths with "deny" itself. Its port.
 */
export const startProcessor = (theatre: Theatre): Promise<number> => {
  const server = new grpc.Server()
  server.addService(
    {
      process: {
        path: '/envoy.service.ext_proc.v3.ExternalProcessor/Process',
        requestStream: true,
        responseStream: true,
        requestSerialize: asItIs,
        requestDeserialize: asItIs,
        responseSerialize: asItIs,
        responseDeserialize: asItIs,
      },
    },
    {
      process: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        call.on('error', () => {}) // an abrupt end is an end
        call.on('data', (bytes: Buffer) => call.write(Buffer.from(answer(bytes))))
        call.on('end', () => call.end())
      },
    },
  )
  return listenGrpc(theatre, server)
}

/** envoy.service.ext_proc.v3.ProcessingRequest: the fields of headers of a request, and of an answer. */
const answer = (bytes: Uint8Array): Uint8Array => {
  const told = readFields(bytes)
  const [request] = told.get(2) ?? []
  if (!request) return message([2, mark])
  return pathOf(request).includes('deny')
    ? message([7, message([1, message([1, 451])], [3, 'says the processor'])])
    : message([1, mark])
}

const pathOf = (headers: Uint8Array): string => {
  const all = readFields(readFields(headers).get(1)?.[0]).get(1) ?? []
  const pairs = all.map((each) => {
    const pair = readFields(each)
    return [toText(pair.get(1)?.[0]), toText(pair.get(3)?.[0] ?? pair.get(2)?.[0])] as const
  })
  return new Map(pairs).get(':path') ?? ''
}

/** HeadersResponse: one more header. */
const mark = message([1, message([2, message([1, message([1, message([1, 'x-processed'], [3, 'yes'])])])])])
