import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { Log } from '#agent/log.ts'
import type { ProxyGrant } from '#agent/proxy-auth/proxy-authenticator.ts'
import type { Node } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { toProxyName } from '#xds/proxy.ts'
import { toProxyIdentity } from './attachments.ts'
import type { ResponseEncoder } from './dialect.ts'
import type { WireResponse } from './discovery-response.ts'
import type { Attachment } from './proxy-resources.ts'
import { ProxyResources } from './proxy-resources.ts'
import { ProxyStream, type StreamHost } from './proxy-stream.ts'
import type { Quarantine } from './quarantine.ts'
import { StreamError } from './stream-error.ts'

/** What a connection needs of its gRPC call. */
export type OutgoingCall = Pick<ServerDuplexStream<unknown, WireResponse>, 'write' | 'emit'>

export interface ConnectionHost extends StreamHost {
  readonly log: Log
  readonly quarantine: Quarantine
  /** The proxy has answered, or what it was sent has left. */
  onProgress(connection: ProxyConnection): void
  onResponse(bytes: number): void
}

/** An authenticated proxy on its gRPC stream. */
export class ProxyConnection {
  readonly grant: ProxyGrant
  /** For people: see `identity` for telling proxies apart. */
  readonly name: string
  readonly identity: string
  readonly stream: ProxyStream
  readonly connectedAt: number
  /** For display only: what its node says of itself. */
  envoyVersion = ''
  readonly #host: ConnectionHost
  readonly #call: OutgoingCall
  #isPushScheduled = false

  constructor(
    host: ConnectionHost,
    call: OutgoingCall,
    connection: {
      readonly grant: ProxyGrant
      readonly attachment: Attachment
      readonly encoder: ResponseEncoder
      readonly connectedAt: number
    },
  ) {
    this.#host = host
    this.#call = call
    this.grant = connection.grant
    this.name = toProxyName(connection.grant.proxy)
    this.identity = toProxyIdentity(connection.grant.proxy)
    this.connectedAt = connection.connectedAt
    const resources = new ProxyResources(this.identity, connection.attachment, host.quarantine)
    this.stream = new ProxyStream(host, resources, connection.encoder, {
      write: (response, onDrained) => {
        host.onResponse(response.byteLength)
        call.write(response, () =>
          this.#guard(() => {
            onDrained()
            host.onProgress(this)
          }),
        )
      },
      after: (delayMilliseconds, task) => host.clock.after(delayMilliseconds, () => this.#guard(task)),
    })
  }

  /** Takes one request in. */
  receive(node: Node | undefined, apply: () => void): void {
    this.#guard(() => {
      if (node && this.envoyVersion === '') this.envoyVersion = toVersion(node)
      apply()
      this.#schedulePush()
    })
  }

  push(): void {
    this.#guard(() => this.stream.push())
  }

  /** Ends the stream with a status. What has not been written is dropped. */
  end(error: StreamError): void {
    if (this.stream.isClosed) return
    this.stream.close()
    endCall(this.#call, error)
  }

  /** Requests that arrive together are answered together: a subscription may be right behind an ACK. */
  #schedulePush(): void {
    if (this.#isPushScheduled) return
    this.#isPushScheduled = true
    setImmediate(() => {
      this.#isPushScheduled = false
      this.#guard(() => {
        this.stream.push()
        this.#host.onProgress(this)
      })
    })
  }

  /** A proxy that makes us fail loses its stream, and nobody else. */
  #guard(task: () => void): void {
    try {
      task()
    } catch (error) {
      if (error instanceof StreamError) {
        this.#host.log.warn({ proxy: this.name, reason: error.message }, 'ended the stream of a proxy')
        this.end(error)
      } else {
        this.#host.log.error({ proxy: this.name, err: error }, 'could not serve a proxy')
        this.end(new StreamError('internal', 'internal error'))
      }
    }
  }
}

/** Ends a call with a status: grpc-js takes it from an `error` event. */
export const endCall = (call: Pick<OutgoingCall, 'emit'>, error: StreamError): void => {
  call.emit('error', error)
}

const toVersion = ({ userAgentVersionType }: Node): string => {
  if (userAgentVersionType.case === 'userAgentVersion') return userAgentVersionType.value.slice(0, 64)
  const version = userAgentVersionType.case === 'userAgentBuildVersion' ? userAgentVersionType.value.version : undefined
  return version ? `${version.majorNumber}.${version.minorNumber}.${version.patch}` : ''
}
