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

const buildAdditions = ({ put }: HeaderChanges) =>
  put.map(({ name, value, isAdded }) =>
    create(HeaderValueOptionSchema, {
      header: { key: name, value },
      appendAction: isAdded ? AppendAction.APPEND_IF_EXISTS_OR_ADD : AppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    }),
  )
