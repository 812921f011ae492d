import { z } from 'zod'
import { hostPattern, isDnsLabel } from './host-names.ts'
import { checked, message, optionalText } from './message.ts'
import { portSelector } from './ports.ts'

export const subsetName = checked(z.string(), ({ value, report }) => {
  if (!isDnsLabel(value)) report('must be a DNS label: at most 63 letters, digits and "-"')
})

/** networking.istio.io Destination. */
export const destination = message({
  /** A short name means the service of that name in the object's own namespace. */
  host: checked(hostPattern, ({ value, report }) => {
    if (value === '*') report('"*" is not a destination')
  }),
  subset: optionalText(subsetName),
  port: portSelector.optional(),
})
export type Destination = z.output<typeof destination>

/** A share of 100 % or of the sum; alone it may be left out. */
export const weight = z.int().min(0).max(0x7fff_ffff).optional()

export const checkWeights = (
  routes: readonly { readonly weight?: number | undefined }[],
  report: (message: string) => void,
): void => {
  if (routes.length > 1 && routes.every((route) => (route.weight ?? 0) === 0))
    report('the weights add up to 0: nothing would get traffic')
}
