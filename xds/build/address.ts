import { create } from '@bufbuild/protobuf'
import { AddressSchema, type Address } from '#envoy/envoy/config/core/v3/address_pb.ts'

const unixPrefix = 'unix://'

/** The address of a listener or an endpoint: an IP address, a host name, or "unix://<path>" (the port is then unused). */
export const buildAddress = (address: string, port: number): Address =>
  create(AddressSchema, {
    address: address.startsWith(unixPrefix)
      ? { case: 'pipe', value: { path: address.slice(unixPrefix.length) } }
      : { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } },
  })
