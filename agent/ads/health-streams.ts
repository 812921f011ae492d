import type * as grpc from '@grpc/grpc-js'
import type { ProxyGrant } from '#agent/proxy-auth/proxy-authenticator.ts'
import type {
  HealthCheckRequestOrEndpointHealthResponse,
  HealthCheckSpecifier,
} from '#envoy/envoy/service/health/v3/hds_pb.ts'
import { toProxyIdentity } from './attachments.ts'
import { endCall } from './proxy-connection.ts'
import { StreamError } from './stream-error.ts'

export type HealthCall = grpc.ServerDuplexStream<HealthCheckRequestOrEndpointHealthResponse, HealthCheckSpecifier>

/** The open streams by which proxies say what they have found of their applications, the oldest first. */
export class HealthStreams {
  readonly #perProxy: number
  readonly #grants = new Map<HealthCall, ProxyGrant>()

  constructor(perProxy: number) {
    this.#perProxy = perProxy
  }

  /** Of a proxy with more streams than it may have the oldest gives way. */
  add(call: HealthCall, grant: ProxyGrant): void {
    const identity = toProxyIdentity(grant.proxy)
    const older = [...this.#grants].filter(([, { proxy }]) => toProxyIdentity(proxy) === identity)
    for (const [stream] of older.slice(0, Math.max(0, older.length + 1 - this.#perProxy)))
      this.#end(stream, new StreamError('aborted', 'replaced by a newer stream of the same proxy'))
    this.#grants.set(call, grant)
  }

  delete(call: HealthCall): void {
    this.#grants.delete(call)
  }

  /** Ends the streams of these grants. */
  end(isMeant: (grant: ProxyGrant) => boolean, error: StreamError): void {
    for (const [call, grant] of this.#grants) if (isMeant(grant)) this.#end(call, error)
  }

  /** What comes on it until it is closed is heard no more. */
  #end(call: HealthCall, error: StreamError): void {
    this.#grants.delete(call)
    call.removeAllListeners('data')
    call.resume()
    endCall(call, error)
  }
}
