import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import * as grpc from '@grpc/grpc-js'
import type { Theatre } from './theatre.ts'

/** Messages of services whose types are not generated: they are Envoy's to speak, and a test's to answer. */
export const asItIs = (bytes: Buffer): Buffer => bytes

type Fields = ReadonlyMap<number, readonly Uint8Array[]>

/** A message's fields that are messages, texts or bytes, by their number. */
export const readFields = (bytes: Uint8Array | undefined): Fields => {
  const fields = new Map<number, Uint8Array[]>()
  const reader = new BinaryReader(bytes ?? new Uint8Array())
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (type === WireType.LengthDelimited) fields.set(field, [...(fields.get(field) ?? []), reader.bytes()])
    else reader.skip(type, field)
  }
  return fields
}

export const toText = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)

export const message = (...fields: readonly (readonly [number, string | number | Uint8Array])[]): Uint8Array => {
  const writer = new BinaryWriter()
  for (const [field, value] of fields)
    if (typeof value === 'number') writer.tag(field, WireType.Varint).int32(value)
    else if (typeof value === 'string') writer.tag(field, WireType.LengthDelimited).string(value)
    else writer.tag(field, WireType.LengthDelimited).bytes(value)
  return writer.finish()
}

export const header = (name: string, value: string): Uint8Array => message([1, message([1, name], [2, value])])

/** Lets a server of gRPC listen on 127.0.0.1; its port. */
export const listenGrpc = (theatre: Theatre, server: grpc.Server): Promise<number> => {
  theatre.onClear(() => server.forceShutdown())
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
}
