/**
 * Fields of Envoy 1.40's API that the published descriptors are too old for, as far as Atoll names them. One that a newer
 * package has is to go from here.
 */
import { create } from '@bufbuild/protobuf'
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt'

/** @typedef {import('@bufbuild/protobuf/wkt').FileDescriptorProto} File */

/** @param {string} name @param {number} number @param {{ type: Type, typeName?: string }} type */
const field = (name, number, type) =>
  create(FieldDescriptorProtoSchema, {
    name,
    jsonName: name.replaceAll(/_(\w)/g, (_, letter) => letter.toUpperCase()),
    number,
    label: Label.OPTIONAL,
    ...type,
  })
/** @param {string} typeName */
const message = (typeName) => ({ type: Type.MESSAGE, typeName: `.${typeName}` })

const wrappers = 'google/protobuf/wrappers.proto'
const scopeFile = 'envoy/type/v3/scope.proto'
const statsFile = 'envoy/extensions/access_loggers/stats/v3/stats.proto'
const connectionManagerFile =
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto'

const scope = create(FileDescriptorProtoSchema, {
  name: scopeFile,
  package: 'envoy.type.v3',
  syntax: 'proto3',
  dependency: [wrappers],
  messageType: [
    {
      name: 'Scope',
      field: [
        field('max_counters', 1, message('google.protobuf.UInt32Value')),
        field('max_gauges', 2, message('google.protobuf.UInt32Value')),
        field('max_histograms', 3, message('google.protobuf.UInt32Value')),
        field('enable_eviction', 4, { type: Type.BOOL }),
        field('prefix', 5, { type: Type.STRING }),
        field('sharing_name', 6, { type: Type.STRING }),
      ],
    },
  ],
})

/** @param {File} file */
const addToStats = (file) => {
  const [config, ...others] = file.messageType
  if (config?.name !== 'Config') throw new Error(`${statsFile} begins with another message than it did`)
  const statsScope = field('stats_scope', 6, message('envoy.type.v3.Scope'))
  return {
    ...file,
    dependency: [...file.dependency, scopeFile],
    messageType: [{ ...config, field: [...config.field, statsScope] }, ...others],
  }
}

/** @param {File} file */
const addToConnectionManager = (file) => {
  const [manager, ...others] = file.messageType
  const isTracing = (/** @type {{ name: string }} */ { name }) => name === 'Tracing'
  if (manager?.nestedType.some(isTracing) !== true) throw new Error(`${connectionManagerFile} has no Tracing`)
  const noPropagation = field('no_context_propagation', 13, { type: Type.BOOL })
  const nestedType = manager.nestedType.map((nested) =>
    isTracing(nested) ? { ...nested, field: [...nested.field, noPropagation] } : nested,
  )
  return { ...file, messageType: [{ ...manager, nestedType }, ...others] }
}

/** @type {Readonly<Record<string, (file: File) => File>>} */
const additions = { [statsFile]: addToStats, [connectionManagerFile]: addToConnectionManager }

/** @param {readonly File[]} published @returns {File[]} with what is newer */
export const addNewerEnvoyApi = (published) => [scope, ...published.map((file) => additions[file.name]?.(file) ?? file)]
