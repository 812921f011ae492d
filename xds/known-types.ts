import { createRegistry } from '@bufbuild/protobuf'
import {
  file_google_protobuf_duration,
  file_google_protobuf_struct,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt'
import { envoyApiFiles } from '#envoy/files.ts'

/** The types that an `Any` may hold: those of Envoy's API that were generated (scripts/envoy-api-types.mjs). */
export const knownTypes = createRegistry(
  ...envoyApiFiles,
  file_google_protobuf_duration,
  file_google_protobuf_struct,
  file_google_protobuf_wrappers,
)
