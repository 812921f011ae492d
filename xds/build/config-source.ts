import { create } from '@bufbuild/protobuf'
import { ApiVersion, ConfigSourceSchema } from '#envoy/envoy/config/core/v3/config_source_pb.ts'

/** The stream that the resource which names this source came by. */
export const adsSource = create(ConfigSourceSchema, {
  configSourceSpecifier: { case: 'ads', value: {} },
  resourceApiVersion: ApiVersion.V3,
})
