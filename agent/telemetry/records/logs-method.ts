import type { ProxyMethod } from '#agent/ads/proxy-methods.ts'
import { LogsService } from '#envoy/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts'

/** OTLP's LogsService, by which proxies tell of their requests. */
export const toLogsMethod = (receive: ProxyMethod['receive']): ProxyMethod => ({
  path: `/${LogsService.typeName}/${LogsService.method.export.name}`,
  receive,
})
