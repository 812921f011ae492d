import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { LocalityLbEndpointsSchema } from '#envoy/envoy/config/endpoint/v3/endpoint_components_pb.ts'
import { ClusterLoadAssignmentSchema } from '#envoy/envoy/config/endpoint/v3/endpoint_pb.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { LoadAssignmentByNode, PlacedEndpoints, UpstreamEndpoint } from '#xds/model/load-assignment.ts'
import { typeUrls } from '#xds/type-url.ts'
import {
  buildEndpoint,
  buildEndpoints,
  buildLocality,
  buildRank,
  type LocalityFields,
} from './build-load-assignment.ts'
import { encodeBody, toResource } from './encode.ts'

/**
 * The endpoints of an EnvoyCluster as EDS serves them to the clients on a node. Each is encoded once for all nodes, and once more for its
 * own: what a node costs is what is on it, and a copy of the rest.
 */
export const endpointsBuilder = ({ elsewhere, onNodes }: LoadAssignmentByNode): ((node: string) => UnitResource) => {
  const { upstream } = elsewhere
  const name = encodeBody(ClusterLoadAssignmentSchema, { clusterName: upstream })
  const known: Encoded = { localities: new Map(), ranks: new Map(), lists: new Map() }
  let shared: UnitResource | undefined
  return (node) => {
    const placed = onNodes.get(node)
    if (!placed) return (shared ??= buildEndpoints(elsewhere))
    const parts = [name, ...placed.flatMap((each) => encodeGroup(each, known))]
    return toResource(typeUrls.endpoint, upstream, concatenate(parts))
  }
}

/** Fields of a LocalityLbEndpoints, as far as they have been encoded. */
interface Encoded {
  readonly localities: Map<string, Uint8Array>
  /** By priority and weight. */
  readonly ranks: Map<string, Uint8Array>
  readonly lists: Map<readonly UpstreamEndpoint[], EncodedList>
}

interface EncodedList {
  readonly bytes: Uint8Array
  /** Where each endpoint ends. */
  readonly ends: readonly number[]
}

/** The field `endpoints` of a ClusterLoadAssignment, as if that was encoded whole: fields are in the order of their numbers. */
const encodeGroup = (group: PlacedEndpoints, { localities, ranks, lists }: Encoded): Uint8Array[] => {
  const { locality, priority, weight, endpoints, without = [] } = group
  const encodeFields = (fields: LocalityFields) => encodeBody(LocalityLbEndpointsSchema, fields)
  const fields = [
    getOrAdd(localities, locality, () => encodeFields(buildLocality(group))),
    ...leaveOut(
      getOrAdd(lists, endpoints, () => encodeList(endpoints)),
      without,
    ),
    getOrAdd(ranks, `${priority}|${weight}`, () => encodeFields(buildRank(group))),
  ]
  return [new BinaryWriter().tag(2, WireType.LengthDelimited).uint32(toLength(fields)).finish(), ...fields]
}

const encodeList = (endpoints: readonly UpstreamEndpoint[]): EncodedList => {
  const parts = endpoints.map((endpoint) =>
    encodeBody(LocalityLbEndpointsSchema, { lbEndpoints: [buildEndpoint(endpoint)] }),
  )
  let end = 0
  return { bytes: concatenate(parts), ends: parts.map(({ byteLength }) => (end += byteLength)) }
}

/** `without`: indices, ascending. */
const leaveOut = ({ bytes, ends }: EncodedList, without: readonly number[]): Uint8Array[] => {
  const kept: Uint8Array[] = []
  let from = 0
  for (const index of without) {
    kept.push(bytes.subarray(from, ends[index - 1] ?? 0))
    from = ends[index] ?? from
  }
  return [...kept, bytes.subarray(from)]
}

const toLength = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { byteLength }) => sum + byteLength, 0)

const concatenate = (parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(toLength(parts))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}
