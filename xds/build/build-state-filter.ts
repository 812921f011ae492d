import { create } from '@bufbuild/protobuf'
import { SubstitutionFormatStringSchema } from '#envoy/envoy/config/core/v3/substitution_format_string_pb.ts'
import { ConfigSchema as SetFilterStateSchema } from '#envoy/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.ts'
import { toAny } from './any.ts'

/** A filter that notes texts of a request under these keys, in Envoy's operators. What is empty is not noted. */
export const buildStateFilter = (name: string, formats: Readonly<Record<string, string>>) => ({
  name,
  configType: {
    case: 'typedConfig' as const,
    value: toAny(SetFilterStateSchema, {
      onRequestHeaders: Object.entries(formats).map(([key, format]) => ({
        key: { case: 'objectKey' as const, value: key },
        factoryKey: 'envoy.string',
        value: {
          case: 'formatString' as const,
          value: create(SubstitutionFormatStringSchema, {
            format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: format } } },
            omitEmptyValues: true,
          }),
        },
      })),
    }),
  },
})
