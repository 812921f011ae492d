import * as grpc from '@grpc/grpc-js'
import type { ProxyGrant } from '#agent/proxy-auth/proxy-authenticator.ts'

/** Something that proxies tell the agent beside xDS, or ask it: a unary method. */
export interface ProxyMethod {
  /** "/<package>.<service>/<method>" */
  readonly path: string
  /** Its messages are small and answered at once: a proxy may have many on the way, as many as it has requests. */
  readonly isQuick?: true
  /** `message` is what came, encoded, and so is the answer; without one it is an empty message. Who throws has taken nothing, and the proxy is told so. */
  receive(grant: ProxyGrant, message: Buffer): Buffer | void
}

export type ProxyMethodCall = grpc.ServerUnaryCall<Buffer, Buffer>

/** What it takes to serve a method with grpc-js, as bytes. */
export const toServiceDefinition = (methods: readonly ProxyMethod[]): grpc.ServiceDefinition =>
  Object.fromEntries(
    methods.map(({ path }) => [
      path,
      {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: asItIs,
        requestDeserialize: asItIs,
        responseSerialize: asItIs,
        responseDeserialize: asItIs,
      },
    ]),
  )

const asItIs = (bytes: Buffer): Buffer => bytes

export const emptyAnswer = Buffer.alloc(0)
