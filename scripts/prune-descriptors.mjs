import { create, createFileRegistry } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'

/**
 * @typedef {import('@bufbuild/protobuf').DescMessage} DescMessage
 * @typedef {import('@bufbuild/protobuf').DescEnum} DescEnum
 * @typedef {import('@bufbuild/protobuf').DescService} DescService
 * @typedef {DescMessage | DescEnum | DescService} Desc
 * @typedef {import('@bufbuild/protobuf/wkt').FileDescriptorProto} File
 * @typedef {import('@bufbuild/protobuf/wkt').DescriptorProto} MessageProto
 */

/**
 * Keeps what the root types need: they themselves, the messages and enums that they reach through
 * fields and methods, and the messages that these are nested in. Extensions, file options and
 * imports that nothing kept needs are dropped.
 *
 * @param {readonly File[]} files everything that the roots reach is in it
 * @param {readonly string[]} rootTypes full names of messages, enums or services
 * @returns {File[]} imported files before their importers
 * @throws {Error} when a root type is in none of the files
 */
export function pruneDescriptors(files, rootTypes) {
  const ordered = importedFirst(files)
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: ordered }))
  /** @type {Set<string>} */
  const kept = new Set()
  /** @type {Map<string, Set<string>>} */
  const importsByFile = new Map()

  /** @param {Desc} desc */
  const keep = (desc) => {
    if (kept.has(desc.typeName)) return
    kept.add(desc.typeName)
    const imports = importsByFile.get(desc.file.proto.name) ?? new Set()
    importsByFile.set(desc.file.proto.name, imports)
    for (const needed of neededBy(desc)) {
      if (needed.file !== desc.file) imports.add(needed.file.proto.name)
      keep(needed)
    }
  }
  for (const typeName of rootTypes) {
    const desc = registry.get(typeName)
    if (desc === undefined || desc.kind === 'extension') throw new Error(`no such protobuf type: ${typeName}`)
    keep(desc)
  }

  return ordered.flatMap((file) => {
    const imports = importsByFile.get(file.name)
    return imports === undefined ? [] : [pruneFile(file, [...imports], kept)]
  })
}

/** @param {readonly File[]} files @returns {File[]} */
function importedFirst(files) {
  const byName = new Map(files.map((file) => [file.name, file]))
  /** @type {Set<File>} */
  const ordered = new Set()
  /** @param {File} file */
  const visit = (file) => {
    if (ordered.has(file)) return
    for (const name of file.dependency) {
      const imported = byName.get(name)
      if (imported === undefined) throw new Error(`${file.name} imports ${name}, which is missing`)
      visit(imported)
    }
    ordered.add(file)
  }
  files.forEach(visit)
  return [...ordered]
}

/** @param {Desc} desc @returns {(DescMessage | DescEnum)[]} */
function neededBy(desc) {
  if (desc.kind === 'service') return desc.methods.flatMap((method) => [method.input, method.output])
  const outer = desc.parent === undefined ? [] : [desc.parent]
  if (desc.kind === 'enum') return outer
  return [...outer, ...desc.fields.flatMap((field) => field.message ?? field.enum ?? [])]
}

/** @param {File} file @param {string[]} imports @param {ReadonlySet<string>} kept @returns {File} */
function pruneFile(file, imports, kept) {
  const { name, package: packageName, syntax } = file
  const scope = packageName === '' ? '' : `${packageName}.`
  /** @param {{ name: string }} declared */
  const isKept = (declared) => kept.has(scope + declared.name)
  return create(FileDescriptorProtoSchema, {
    name,
    package: packageName,
    syntax,
    dependency: imports,
    messageType: file.messageType.filter(isKept).map((message) => pruneMessage(message, scope, kept)),
    enumType: file.enumType.filter(isKept),
    service: file.service.filter(isKept),
  })
}

/** @param {MessageProto} message @param {string} outerScope @param {ReadonlySet<string>} kept @returns {MessageProto} */
function pruneMessage(message, outerScope, kept) {
  const scope = `${outerScope}${message.name}.`
  return {
    ...message,
    extension: [],
    // The entry types of map fields are not types of their own: they stay with their fields.
    nestedType: message.nestedType
      .filter((nested) => nested.options?.mapEntry || kept.has(scope + nested.name))
      .map((nested) => pruneMessage(nested, scope, kept)),
    enumType: message.enumType.filter((nested) => kept.has(scope + nested.name)),
  }
}
