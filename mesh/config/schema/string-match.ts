import { z } from 'zod'
import { checked, message, setFields } from './message.ts'
import { regularExpressionFault } from './regular-expression.ts'

const forms = ['exact', 'prefix', 'regex'] as const

/** networking.istio.io StringMatch: exactly one of exact, prefix, regex. */
const stringMatchWith = (rules: { readonly emptyPrefix?: boolean; readonly anyByStar?: boolean }) =>
  checked(
    message({ exact: z.string().optional(), prefix: z.string().optional(), regex: z.string().optional() }),
    ({ value, report }) => {
      if (setFields(value, forms).length > 1) report('takes exactly one of exact, prefix, regex')
      if (value.prefix === '' && !rules.emptyPrefix) report('must not be empty', ['prefix'])
      if (value.regex === undefined || (rules.anyByStar && value.regex === '*')) return
      const fault = regularExpressionFault(value.regex)
      if (fault !== undefined) report(fault, ['regex'])
    },
  )

export const stringMatch = stringMatchWith({})
/** An empty prefix matches every path. */
export const uriMatch = stringMatchWith({ emptyPrefix: true })
/** In `withoutHeaders`, `regex: "*"` means a header of any value. */
export const absentHeaderMatch = stringMatchWith({ anyByStar: true })

/** No form set: the header, parameter … is there at all. */
export type StringMatch = z.output<typeof stringMatch>
