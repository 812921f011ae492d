import { z } from 'zod'
import { checked } from './message.ts'

/** Of the namespace of the object that names it. Kubernetes: DNS subdomain names. */
export const secretName = checked(z.string(), ({ value, report }) => {
  if (value.length > 253 || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(value))
    report('must be the name of a Secret of this namespace')
})
