import { ExternalProcessorSchema } from '#envoy/envoy/extensions/filters/http/ext_proc/v3/ext_proc_pb.ts'
import {
  ProcessingMode_BodySendMode as BodySendMode,
  ProcessingMode_HeaderSendMode as HeaderSendMode,
} from '#envoy/envoy/extensions/filters/http/ext_proc/v3/processing_mode_pb.ts'
import { LuaSchema } from '#envoy/envoy/extensions/filters/http/lua/v3/lua_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import type { StatusCode } from '#envoy/envoy/type/v3/http_status_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { BodyMode, Extension, Processor } from '#xds/model/extension.ts'
import type { Fallback } from '#xds/resource-set.ts'
import { buildRefusal } from './build-refusal.ts'
import { buildDiscovered, toDiscovered } from './discovered-filter.ts'
import { toDuration } from './duration.ts'

const extensionFilterName = 'atoll.extension'

/** What people have proxies run: after all that Atoll judges a request by. */
export const extensionFilter = toDiscovered(extensionFilterName, RBACSchema, LuaSchema, ExternalProcessorSchema)

/** What the filter of extensions does in a proxy's listeners. An extension that can not be run, or that the proxy refuses, lets nobody in: what it would have kept out nobody can tell. */
export const buildExtension = (extension: Extension | undefined): UnitResource => {
  if (!extension) return buildDiscovered(extensionFilterName, RBACSchema, {})
  const { runs, objects } = extension
  if (!runs) return refusal
  const built =
    runs.kind === 'lua'
      ? buildDiscovered(extensionFilterName, LuaSchema, {
          defaultSourceCode: { specifier: { case: 'inlineString', value: runs.code } },
        })
      : buildProcessor(runs)
  const fallbacks = (reason: string): readonly Fallback[] => [
    { resource: refusal.resource, without: objects.map((object) => ({ object, reason })) },
  ]
  return { ...built, resource: { ...built.resource, fallbacks } }
}

const refusal = buildRefusal(extensionFilterName, 'extension-not-run')

const buildProcessor = ({ upstream, authority, timeoutMs, failsOpen, statusOnError, told }: Processor): UnitResource =>
  buildDiscovered(extensionFilterName, ExternalProcessorSchema, {
    grpcService: {
      targetSpecifier: { case: 'envoyGrpc', value: { clusterName: upstream, authority } },
      // Of the stream, which is as long as the request.
      timeout: toDuration(0),
    },
    messageTimeout: toDuration(timeoutMs),
    failureModeAllow: failsOpen,
    ...(statusOnError !== undefined && { statusOnError: { code: statusOnError as StatusCode } }),
    processingMode: {
      requestHeaderMode: toHeaderMode(told.requestHeaders),
      responseHeaderMode: toHeaderMode(told.responseHeaders),
      requestBodyMode: bodyModes[told.requestBody],
      responseBodyMode: bodyModes[told.responseBody],
      requestTrailerMode: HeaderSendMode.SKIP,
      responseTrailerMode: HeaderSendMode.SKIP,
    },
  })

const toHeaderMode = (isTold: boolean): HeaderSendMode => (isTold ? HeaderSendMode.SEND : HeaderSendMode.SKIP)

const bodyModes: Readonly<Record<BodyMode, BodySendMode>> = {
  NONE: BodySendMode.NONE,
  STREAMED: BodySendMode.STREAMED,
  BUFFERED: BodySendMode.BUFFERED,
  BUFFERED_PARTIAL: BodySendMode.BUFFERED_PARTIAL,
}
