import { z } from 'zod'
import { commandOperatorFault } from './command-operators.ts'
import { isHeaderName } from './header-operations.ts'
import { checked, message, optionalText, setFields } from './message.ts'

const requiredText = z.string().min(1, 'is required')

/** Of ProxyConfig.Tracing.CustomTag, too. */
const plainTags = {
  literal: message({ value: requiredText }).optional(),
  environment: message({ name: requiredText, defaultValue: optionalText(z.string()) }).optional(),
  header: message({
    name: checked(requiredText, ({ value, report }) => {
      if (value !== '' && !isHeaderName(value)) report('is not a header name')
    }),
    defaultValue: optionalText(z.string()),
  }).optional(),
}

const formatter = message({
  value: checked(requiredText, ({ value, report }) => {
    const fault = commandOperatorFault(value, 'header')
    if (fault !== undefined) report(fault)
  }),
}).optional()

const tagKinds = ['literal', 'environment', 'header', 'formatter'] as const

const customTag = checked(message({ ...plainTags, formatter }), ({ value, report }) => {
  if (setFields(value, tagKinds).length > 1) report(`takes one of ${tagKinds.join(', ')}`)
})
export type CustomTag = z.output<typeof customTag>

const byName = <S extends z.ZodType>(tag: S) =>
  checked(z.record(z.string(), tag), ({ value, report }) => {
    if (Object.hasOwn(value, '')) report('a tag needs a name', [''])
  })

/** Tags of spans by their names (Istio reference: telemetry, Tracing.CustomTag). */
export const customTags = byName(customTag)

/** Those of a proxy's own configuration (Istio reference: mesh, Tracing.CustomTag). */
export const proxyCustomTags = byName(
  checked(message(plainTags), ({ value, report }) => {
    if (setFields(value, ['literal', 'environment', 'header']).length > 1)
      report('takes one of literal, environment, header')
  }),
)
