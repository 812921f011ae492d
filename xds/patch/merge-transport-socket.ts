import type { TransportSocket } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { mergeAny } from './merge-message.ts'

/** Merges the configurations of two transport sockets; the source's takes the place of one by another name. */
export const mergeTransportSocket = (target: TransportSocket, source: TransportSocket): TransportSocket => {
  if (target.name !== source.name) return source
  const [into, from] = [target.configType, source.configType]
  if (into.case !== 'typedConfig' || from.case !== 'typedConfig') return target
  return { ...target, configType: { case: 'typedConfig', value: mergeAny(into.value, from.value) } }
}
