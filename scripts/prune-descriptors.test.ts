import { create } from '@bufbuild/protobuf'
import { FieldDescriptorProto_Type as FieldType, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { expect, it } from 'vitest'
import { pruneDescriptors } from './prune-descriptors.mjs'

const reference = (name: string, number: number, typeName: string) => ({
  name,
  number,
  type: FieldType.MESSAGE,
  typeName,
})
const files = [
  create(FileDescriptorProtoSchema, {
    name: 'root.proto',
    package: 'p',
    syntax: 'proto3',
    dependency: ['unused.proto', 'leaf.proto'],
    messageType: [{ name: 'Root', field: [reference('leaf', 1, '.p.Outer.Leaf')] }, { name: 'Unreached' }],
  }),
  create(FileDescriptorProtoSchema, {
    name: 'unused.proto',
    package: 'p',
    syntax: 'proto3',
    messageType: [{ name: 'Unused' }],
  }),
  create(FileDescriptorProtoSchema, {
    name: 'leaf.proto',
    package: 'p',
    syntax: 'proto3',
    messageType: [{ name: 'Outer', nestedType: [{ name: 'Leaf' }, { name: 'Sibling' }] }],
  }),
]

it('keeps what the roots reach, imported files first', () => {
  const pruned = pruneDescriptors(files, ['p.Root'])
  expect(pruned.map(({ name, dependency }) => [name, dependency])).toEqual([
    ['leaf.proto', []],
    ['root.proto', ['leaf.proto']],
  ])
  expect(pruned.flatMap(({ messageType }) => messageType.map(({ name }) => name))).toEqual(['Outer', 'Root'])
  expect(pruned[0]?.messageType[0]?.nestedType.map(({ name }) => name)).toEqual(['Leaf'])
})

it('refuses a root that no file declares', () => {
  expect(() => pruneDescriptors(files, ['p.Missing'])).toThrow('no such protobuf type: p.Missing')
})
