import * as grpc from '@grpc/grpc-js'
import { fromBinary, toJson } from '@bufbuild/protobuf'
import { StreamAccessLogsMessageSchema } from '#envoy/envoy/service/accesslog/v3/als_pb.ts'
import { ExportLogsServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts'

const asItIs = (bytes: Buffer): Buffer => bytes
const method = (path: string, requestStream: boolean) => ({
  path,
  requestStream,
  responseStream: false,
  requestSerialize: asItIs,
  requestDeserialize: asItIs,
  responseSerialize: asItIs,
  responseDeserialize: asItIs,
})

/** A server of logs outside of the mesh, by OTLP and by Envoy's own protocol: what it was told, each message as JSON. */
export class LogServer {
  readonly port: number
  readonly otlp: string[] = []
  readonly streams: string[] = []
  readonly #server: grpc.Server

  private constructor(server: grpc.Server, port: number) {
    this.#server = server
    this.port = port
  }

  static async start(): Promise<LogServer> {
    const server = new grpc.Server()
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      )
    })
    const self = new LogServer(server, port)
    server.addService(
      {
        otlp: method('/opentelemetry.proto.collector.logs.v1.LogsService/Export', false),
        stream: method('/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs', true),
      },
      {
        otlp: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) => {
          const message = fromBinary(ExportLogsServiceRequestSchema, call.request)
          self.otlp.push(JSON.stringify(toJson(ExportLogsServiceRequestSchema, message)))
          answer(null, Buffer.alloc(0))
        },
        stream: (call: grpc.ServerReadableStream<Buffer, Buffer>) => {
          call.on('error', () => {}) // an abrupt end is an end
          call.on('data', (bytes: Buffer) => {
            const message = fromBinary(StreamAccessLogsMessageSchema, bytes)
            self.streams.push(JSON.stringify(toJson(StreamAccessLogsMessageSchema, message)))
          })
        },
      },
    )
    return self
  }

  stop(): void {
    this.#server.forceShutdown()
  }
}
