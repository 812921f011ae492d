import { create } from '@bufbuild/protobuf'
import {
  HeaderValueOption_HeaderAppendAction as AppendAction,
  HeaderValueOptionSchema,
} from '#envoy/envoy/config/core/v3/base_pb.ts'
import type { HeaderChanges } from '#xds/model/virtual-host.ts'

/** Fields that Route and WeightedCluster.ClusterWeight have in common. */
export const buildHeaderChanges = (request: HeaderChanges | undefined, response: HeaderChanges | undefined) => ({
  ...(request && { requestHeadersToAdd: buildAdditions(request), requestHeadersToRemove: [...request.remove] }),
  ...(response && { responseHeadersToAdd: buildAdditions(response), responseHeadersToRemove: [...response.remove] }),
})

const buildAdditions = ({ set, add }: HeaderChanges) => [
  ...set.map(([key, value]) =>
    create(HeaderValueOptionSchema, { header: { key, value }, appendAction: AppendAction.OVERWRITE_IF_EXISTS_OR_ADD }),
  ),
  ...add.map(([key, value]) =>
    create(HeaderValueOptionSchema, { header: { key, value }, appendAction: AppendAction.APPEND_IF_EXISTS_OR_ADD }),
  ),
]
