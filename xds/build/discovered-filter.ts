import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import { TypedExtensionConfigSchema } from '#envoy/envoy/config/core/v3/extension_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import { typeUrls } from '#xds/type-url.ts'
import { toAny } from './any.ts'
import { adsSource } from './config-source.ts'
import { encode } from './encode.ts'

/** An HTTP filter that listeners name, and of which ECDS says what it does (docs/decisions/0023), being one of these. */
export const toDiscovered = (name: string, ...schemas: readonly DescMessage[]) => ({
  name,
  configType: {
    case: 'configDiscovery' as const,
    value: {
      $typeName: 'envoy.config.core.v3.ExtensionConfigSource' as const,
      configSource: adsSource,
      applyDefaultConfigWithoutWarming: false,
      typeUrls: schemas.map(({ typeName }) => `type.googleapis.com/${typeName}`),
    },
  },
})

/** What such a filter does. */
export const buildDiscovered = <Desc extends DescMessage>(
  name: string,
  schema: Desc,
  config: MessageInitShape<Desc>,
): UnitResource =>
  encode(typeUrls.extensionConfig, TypedExtensionConfigSchema, name, { name, typedConfig: toAny(schema, config) })
