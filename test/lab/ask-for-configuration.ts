import * as grpc from '@grpc/grpc-js'
import { create, toBinary } from '@bufbuild/protobuf'
import { DeltaDiscoveryRequestSchema } from '#envoy/envoy/service/discovery/v3/discovery_pb.ts'
import { toAgentDnsName } from '#mesh/identity.ts'
import { clusterName } from '#mesh/names.ts'
import { domain } from '#test/agent/test-pki.ts'
import { typeUrls } from '#xds/type-url.ts'

const serverName = toAgentDnsName(clusterName.parse('east'), domain)
const method = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'

/** Asks an agent on this machine for clusters as a proxy does: `served`, or the status that the stream was refused with. */
export const askForConfiguration = async (
  port: number,
  rootPem: string,
  token: string,
): Promise<'served' | grpc.status> => {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createSsl(Buffer.from(rootPem)), {
    'grpc.ssl_target_name_override': serverName,
    'grpc.default_authority': serverName,
    'grpc.use_local_subchannel_pool': 1,
  })
  const metadata = new grpc.Metadata()
  metadata.set('authorization', token)
  const asIs = (bytes: Buffer): Buffer => bytes
  const stream = client.makeBidiStreamRequest(method, asIs, asIs, metadata)
  const request = create(DeltaDiscoveryRequestSchema, { typeUrl: typeUrls.cluster, resourceNamesSubscribe: ['*'] })
  try {
    return await new Promise((resolve) => {
      stream.once('data', () => resolve('served'))
      stream.once('status', ({ code }: grpc.StatusObject) => resolve(code))
      stream.on('error', () => {})
      stream.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request)))
    })
  } finally {
    stream.cancel()
    client.close()
  }
}
