import { create, createRegistry, toJson } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { stringify } from 'yaml'
import { BootstrapSchema } from '#envoy/envoy/config/bootstrap/v3/bootstrap_pb.ts'
import {
  ClusterSchema,
  Cluster_DiscoveryType as DiscoveryType,
  type Cluster,
} from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import {
  ApiConfigSource_ApiType as ApiType,
  ApiVersion,
  ConfigSourceSchema,
} from '#envoy/envoy/config/core/v3/config_source_pb.ts'
import { GrpcServiceSchema } from '#envoy/envoy/config/core/v3/grpc_service_pb.ts'
import { CredentialInjectorSchema } from '#envoy/envoy/extensions/filters/http/credential_injector/v3/credential_injector_pb.ts'
import { UpstreamCodecSchema } from '#envoy/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.ts'
import { GenericSchema } from '#envoy/envoy/extensions/http/injected_credentials/generic/v3/generic_pb.ts'
import { DownstreamConnectionsConfigSchema } from '#envoy/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.ts'
import {
  SubjectAltNameMatcher_SanType as SanType,
  TlsParameters_TlsProtocol as TlsProtocol,
} from '#envoy/envoy/extensions/transport_sockets/tls/v3/common_pb.ts'
import { SecretSchema, type Secret } from '#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import { UpstreamTlsContextSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import { HttpProtocolOptionsSchema } from '#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts'
import { DiscoveryResponseSchema } from '#envoy/envoy/service/discovery/v3/discovery_pb.ts'
import { toAgentDnsName } from '#mesh/identity.ts'
import { maxProgramSize } from '#mesh/config/schema/regular-expression.ts'
import type { ClusterName, TrustDomain } from '#mesh/names.ts'
import { toAny } from './build/any.ts'
import { buildAddress } from './build/address.ts'
import { buildStatsSink, statsSinkTypes } from './build/build-stats-sink.ts'
import { toDuration } from './build/duration.ts'

export interface BootstrapOptions {
  /** The node's id: what the proxy is called in Envoy's own logs. What it *is* comes from its token. */
  readonly proxyName: string
  readonly cluster: ClusterName
  readonly trustDomain: TrustDomain
  /** The agent's xDS server: IP address or host name. */
  readonly agent: { readonly host: string; readonly port: number }
  /** The address that it connects to the agent from, an IP address; absent = the system chooses. */
  readonly address?: string
  /** Whether it asks the agent what to probe of its application, and reports what it finds. */
  readonly reportsHealth?: boolean
  readonly rootsPem: readonly string[]
  /** Absolute path of the folder that the files go to. */
  readonly directory: string
  /** Absolute path of the file with the machine token. Its folder is watched for a newer one. */
  readonly tokenFile: string
  /** How often it tells its agent what it has counted. Absent: every 5 s. */
  readonly statsFlushMs?: number
  /** Envoy's admin interface: a loopback address, or "unix://<path>" with port 0. */
  readonly admin: { readonly address: string; readonly port: number }
  readonly maxDownstreamConnections?: number
}

/** A file to write into `directory`. */
export interface BootstrapFile {
  readonly name: string
  readonly content: string
}

/** The EnvoyCluster that every proxy has from its start. */
export const agentCluster = 'atoll-agent'
const rootsSecretFile = 'sds-roots.yaml'
const tokenSecretFile = 'sds-token.yaml'
const rootsSecret = 'agent-roots'
const tokenSecret = 'agent-token'

/** inotify instances that an Envoy started like this holds, one for each path that it watches. The kernel counts them by user, over all pods of a node. */
export const inotifyInstances = 3

/** Everything that a bootstrap and its secrets carry in an Any. */
const registry = createRegistry(
  CredentialInjectorSchema,
  DownstreamConnectionsConfigSchema,
  GenericSchema,
  HttpProtocolOptionsSchema,
  SecretSchema,
  UpstreamCodecSchema,
  UpstreamTlsContextSchema,
  ...statsSinkTypes,
)

/**
 * What an Envoy needs to start: `envoy -c envoy.yaml`. It reaches its agent by delta ADS over TLS and proves itself by a token.
 * Roots and token are read from files again when those are replaced (by a rename: Envoy watches the folder). The roots stand in the
 * secret itself: a file of their own would be one more to watch.
 */
export const buildBootstrap = (options: BootstrapOptions): readonly BootstrapFile[] => [
  {
    name: 'envoy.yaml',
    content: stringify(toJson(BootstrapSchema, toBootstrap(options), { registry, useProtoFieldName: true })),
  },
  { name: rootsSecretFile, content: toSecretFile(toRootsSecret(options)) },
  { name: tokenSecretFile, content: toSecretFile(toTokenSecret(options)) },
]

/** A series that nothing was counted in for so long is not pushed any more. */
const forgottenAfterFlushes = 720

const toBootstrap = ({ statsFlushMs = 5000, ...options }: BootstrapOptions) =>
  create(BootstrapSchema, {
    node: { id: options.proxyName, cluster: options.cluster },
    admin: { address: buildAddress(options.admin.address, options.admin.port) },
    dynamicResources: {
      adsConfig: {
        apiType: ApiType.DELTA_GRPC,
        transportApiVersion: ApiVersion.V3,
        setNodeOnFirstMessageOnly: true,
        grpcServices: [agentService],
      },
      cdsConfig: patientAdsSource,
      ldsConfig: patientAdsSource,
    },
    ...(options.reportsHealth && {
      hdsConfig: {
        apiType: ApiType.GRPC,
        transportApiVersion: ApiVersion.V3,
        setNodeOnFirstMessageOnly: true,
        grpcServices: [agentService],
      },
    }),
    staticResources: { clusters: [toAgentCluster(options)] },
    statsSinks: [buildStatsSink(agentService)],
    statsFlushInterval: toDuration(statsFlushMs),
    // A multiple of the other one, says Envoy.
    statsEviction: { case: 'statsEvictionInterval', value: toDuration(statsFlushMs * forgottenAfterFlushes) },
    layeredRuntime: {
      layers: [
        {
          name: 'atoll',
          layerSpecifier: { case: 'staticLayer', value: { 're2.max_program_size.error_level': maxProgramSize } },
        },
        // Without layers of our own Envoy has this one: what an operator changes by the admin interface.
        { name: 'admin', layerSpecifier: { case: 'adminLayer', value: {} } },
      ],
    },
    // Statistics of the thousands of clusters that a proxy never calls are not made.
    deferredStatOptions: { enableDeferredCreationStats: true },
    overloadManager: {
      resourceMonitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          configType: {
            case: 'typedConfig',
            value: toAny(DownstreamConnectionsConfigSchema, {
              maxActiveDownstreamConnections: BigInt(options.maxDownstreamConnections ?? 50_000),
            }),
          },
        },
      ],
    },
  })

const agentService = create(GrpcServiceSchema, {
  targetSpecifier: {
    case: 'envoyGrpc',
    value: {
      clusterName: agentCluster,
      retryPolicy: { retryBackOff: { baseInterval: toDuration(200), maxInterval: toDuration(5000) } },
    },
  },
})

/** Zero = for ever: a proxy that has not heard from its agent does not pretend to be ready. */
const patientAdsSource = create(ConfigSourceSchema, {
  configSourceSpecifier: { case: 'ads', value: {} },
  resourceApiVersion: ApiVersion.V3,
  initialFetchTimeout: toDuration(0),
})

const toAgentCluster = (options: BootstrapOptions): Cluster =>
  create(ClusterSchema, {
    name: agentCluster,
    clusterDiscoveryType: {
      case: 'type' as const,
      value: isIpAddress(options.agent.host) ? DiscoveryType.STATIC : DiscoveryType.STRICT_DNS,
    },
    connectTimeout: toDuration(5000),
    ...(options.address !== undefined && {
      upstreamBindConfig: {
        sourceAddress: { address: options.address, portSpecifier: { case: 'portValue', value: 0 } },
      },
    }),
    loadAssignment: {
      clusterName: agentCluster,
      endpoints: [
        {
          lbEndpoints: [
            {
              hostIdentifier: {
                case: 'endpoint' as const,
                value: { address: buildAddress(options.agent.host, options.agent.port) },
              },
            },
          ],
        },
      ],
    },
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': toAny(HttpProtocolOptionsSchema, {
        upstreamProtocolOptions: {
          case: 'explicitHttpConfig',
          value: {
            protocolConfig: {
              case: 'http2ProtocolOptions',
              value: { connectionKeepalive: { interval: toDuration(30_000), timeout: toDuration(10_000) } },
            },
          },
        },
        httpFilters: [
          {
            name: 'envoy.filters.http.credential_injector',
            configType: {
              case: 'typedConfig',
              value: toAny(CredentialInjectorSchema, {
                overwrite: true,
                credential: {
                  name: 'envoy.http.injected_credentials.generic',
                  typedConfig: toAny(GenericSchema, {
                    credential: {
                      name: tokenSecret,
                      sdsConfig: toFileSource(options.directory, tokenSecretFile, toFolder(options.tokenFile)),
                    },
                    header: 'authorization',
                  }),
                },
              }),
            },
          },
          {
            name: 'envoy.filters.http.upstream_codec',
            configType: { case: 'typedConfig', value: toAny(UpstreamCodecSchema, {}) },
          },
        ],
      }),
    },
    transportSocket: {
      name: 'envoy.transport_sockets.tls',
      configType: {
        case: 'typedConfig' as const,
        value: toAny(UpstreamTlsContextSchema, {
          sni: toAgentDnsName(options.cluster, options.trustDomain),
          commonTlsContext: {
            tlsParams: {
              tlsMinimumProtocolVersion: TlsProtocol.TLSv1_2,
              tlsMaximumProtocolVersion: TlsProtocol.TLSv1_3, // not a client's default in Envoy
            },
            validationContextType: {
              case: 'validationContextSdsSecretConfig',
              value: { name: rootsSecret, sdsConfig: toFileSource(options.directory, rootsSecretFile) },
            },
          },
        }),
      },
    },
  })

const toRootsSecret = ({ cluster, rootsPem, trustDomain }: BootstrapOptions): Secret =>
  create(SecretSchema, {
    name: rootsSecret,
    type: {
      case: 'validationContext',
      value: {
        trustedCa: {
          specifier: { case: 'inlineString', value: rootsPem.map((pem) => `${pem.trim()}\n`).join('') },
        },
        matchTypedSubjectAltNames: [
          {
            sanType: SanType.DNS,
            matcher: { matchPattern: { case: 'exact', value: toAgentDnsName(cluster, trustDomain) } },
          },
        ],
      },
    },
  })

/** A generic secret can't watch its file: the folder is watched where this secret is read. */
const toTokenSecret = ({ tokenFile }: BootstrapOptions): Secret =>
  create(SecretSchema, {
    name: tokenSecret,
    type: {
      case: 'genericSecret',
      value: { secret: { specifier: { case: 'filename', value: tokenFile } } },
    },
  })

/** A file that Envoy reads as if a discovery service had answered with it. */
const toSecretFile = (secret: Secret): string =>
  stringify(
    toJson(DiscoveryResponseSchema, create(DiscoveryResponseSchema, { resources: [anyPack(SecretSchema, secret)] }), {
      registry,
      useProtoFieldName: true,
    }),
  )

/** `watched`: the folder in which a rename makes Envoy read the file again, and the files that it names. */
const toFileSource = (directory: string, name: string, watched = directory) => ({
  configSourceSpecifier: {
    case: 'pathConfigSource' as const,
    value: { path: `${directory}/${name}`, watchedDirectory: { path: watched } },
  },
  resourceApiVersion: ApiVersion.V3,
})

const toFolder = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'

const isIpAddress = (host: string): boolean => host.includes(':') || /^\d{1,3}(\.\d{1,3}){3}$/.test(host)
