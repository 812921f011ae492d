import { create } from '@bufbuild/protobuf'
import {
  FractionalPercent_DenominatorType as Denominator,
  FractionalPercentSchema,
  type FractionalPercent,
} from '#envoy/envoy/type/v3/percent_pb.ts'

/** A share out of a million. */
export const toFractionalPercent = (share: number): FractionalPercent =>
  create(FractionalPercentSchema, { numerator: share, denominator: Denominator.MILLION })
