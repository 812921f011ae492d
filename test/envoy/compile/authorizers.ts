import { createServer, type IncomingHttpHeaders } from 'node:http'
import * as grpc from '@grpc/grpc-js'
import type { Theatre } from './theatre.ts'
import { asItIs, header, listenGrpc, message, readFields, toText } from './wire-messages.ts'

/** What an authorizer was asked. */
export interface Check {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Over gRPC: as whom the caller is known. */
  readonly principal: string
}

/** Two servers outside of the mesh that say who may call, by HTTP and by Envoy's own protocol: whoever calls a path with "deny" in it may not, nor who is `denied`. */
export interface Authorizers {
  readonly http: number
  readonly grpc: number
  /** What they were asked since it was looked at. */
  readonly takeChecks: () => readonly Check[]
  /** A part of the name of callers of which the gRPC server says no. */
  denied: string | undefined
}

export const startAuthorizers = async (theatre: Theatre): Promise<Authorizers> => {
  const checks: Check[] = []
  const http = await theatre.listen(
    createServer((incoming, response) => {
      let body = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (text: string) => (body += text))
      incoming.on('end', () => {
        const { url = '', headers } = incoming
        checks.push({ path: url, headers, body, principal: '' })
        if (url.includes('silence')) return
        const told = { 'x-verdict-of': 'http', 'x-note': 'seen', 'x-why': 'because', 'x-other': 'secret' }
        response
          .writeHead(url.includes('deny') ? 401 : url.includes('fail') ? 500 : 200, told)
          .end('says the authorizer')
      })
    }),
  )
  const server = new grpc.Server()
  const port = await listenGrpc(theatre, server)
  const authorizers: Authorizers = { http, grpc: port, takeChecks: () => checks.splice(0), denied: undefined }
  server.addService(
    {
      check: {
        path: '/envoy.service.auth.v3.Authorization/Check',
        requestStream: false,
        responseStream: false,
        requestSerialize: asItIs,
        requestDeserialize: asItIs,
        responseSerialize: asItIs,
        responseDeserialize: asItIs,
      },
    },
    {
      check: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) => {
        const check = readCheck(call.request)
        checks.push(check)
        const { denied } = authorizers
        const isDenied = check.path.includes('deny') || (denied !== undefined && check.principal.includes(denied))
        answer(null, isDenied ? denial : allowance)
      },
    },
  )
  return authorizers
}

/** envoy.service.auth.v3.CheckRequest */
const readCheck = (bytes: Uint8Array): Check => {
  const attributes = readFields(readFields(bytes).get(1)?.[0])
  const source = readFields(attributes.get(1)?.[0])
  const http = readFields(readFields(attributes.get(4)?.[0]).get(2)?.[0])
  const headers = (http.get(3) ?? []).map((entry) => {
    const pair = readFields(entry)
    return [toText(pair.get(1)?.[0]), toText(pair.get(2)?.[0])]
  })
  return {
    path: toText(http.get(4)?.[0]),
    headers: Object.fromEntries(headers) as IncomingHttpHeaders,
    body: toText(http.get(11)?.[0] ?? http.get(12)?.[0]),
    principal: toText(source.get(4)?.[0]),
  }
}

/** envoy.service.auth.v3.CheckResponse: google.rpc's OK and PERMISSION_DENIED. */
const allowance = Buffer.from(message([1, message()], [3, message([2, header('x-verdict-of', 'grpc')])]))
const denial = Buffer.from(
  message(
    [1, message([1, 7])],
    [2, message([1, message([1, 401])], [2, header('x-why', 'because')], [3, 'says the authorizer'])],
  ),
)
