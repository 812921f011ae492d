import { fromBinary, toJson, type JsonObject } from '@bufbuild/protobuf'
import { SecretSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import type { ClusterName } from '#mesh/names.ts'
import type { ProxyConfig, ProxyStatus } from '#mesh/uplink.ts'
import { toResourceJson } from '#xds/resource-json.ts'
import { redacted, withoutCredentials } from './without-credentials.ts'
import { typeUrls } from '#xds/type-url.ts'
import { toNacks, type DeliveryTracker } from './delivery-tracker.ts'
import type { ProxyConnection } from './proxy-connection.ts'
import type { WireResource } from './wire-resource.ts'

/** Where a report comes from. */
export interface Reporter {
  readonly cluster: ClusterName
  readonly replica: string
}

export const toProxyStatus = (
  connection: ProxyConnection,
  delivery: DeliveryTracker,
  reporter: Reporter,
): ProxyStatus => {
  const { stream, name } = connection
  const { role, namespace, workload, serviceAccount } = connection.grant.proxy
  const rejections = stream.rejections()
  return {
    ...reporter,
    name,
    role,
    namespace,
    workload,
    serviceAccount,
    envoyVersion: connection.envoyVersion,
    connectedAt: new Date(connection.connectedAt).toISOString(),
    revision: delivery.liveRevision(stream),
    synced: delivery.isSynced(stream),
    types: [...stream.subscriptions.values()].map((subscription) => ({
      typeUrl: subscription.type,
      resources: subscription.served().length,
      state: rejections.some(({ type }) => type === subscription.type)
        ? 'nacked'
        : subscription.settledTick === Infinity
          ? 'synced'
          : 'pending',
    })),
    nacks: toNacks(name, rejections),
  }
}

/** Everything that a proxy has, or is about to have, without the secrets' secret parts. */
export const toProxyConfig = (
  connection: ProxyConnection,
  delivery: DeliveryTracker,
  { cluster }: Reporter,
  policies?: ProxyConfig['policies'],
): ProxyConfig => ({
  name: connection.name,
  cluster,
  ...(policies && { policies }),
  revision: delivery.liveRevision(connection.stream),
  resources: [...connection.stream.subscriptions.values()].flatMap((subscription) =>
    subscription.served().map((wire) => ({
      typeUrl: wire.type,
      name: wire.name,
      version: wire.resource.version,
      body: toJsonBody(wire),
    })),
  ),
})

const toJsonBody = ({ type, resource }: WireResource): JsonObject =>
  type === typeUrls.secret ? toSecretJson(resource.body) : withoutCredentials(toResourceJson(type, resource))

const redactedSource = { specifier: { case: 'inlineString' as const, value: redacted } }

/** Certificates are public; of the other kinds of secret nothing is shown but the name. */
const toSecretJson = (body: Uint8Array): JsonObject => {
  const { name, type } = fromBinary(SecretSchema, body)
  const shown = { $typeName: SecretSchema.typeName, name, type }
  if (type.case === 'tlsCertificate')
    type.value.privateKey = { $typeName: 'envoy.config.core.v3.DataSource', ...redactedSource }
  else if (type.case !== 'validationContext') shown.type = { case: undefined }
  return toJson(SecretSchema, shown, { useProtoFieldName: true }) as JsonObject
}
