import { z } from 'zod'
import { checked, message } from './message.ts'

/** networking.istio.io Percent: a share of requests, exact to a millionth. */
export const percentage = message({ value: z.number().min(0).max(100).default(0) }, { example: '{value: 50}' })

/** As `percentage`; what is too small to be told from nothing is refused. */
export const faultPercentage = checked(percentage, ({ value, report }) => {
  if (value.value > 0 && value.value < 0.0001) report('must be 0 or at least 0.0001', ['value'])
})
export type Percentage = z.output<typeof percentage>
