import { z } from 'zod'
import { checked, message } from './message.ts'

/** Kubernetes' syntax of labels: [prefix/]name with a value of the same form, which may be empty. */
const labelKey =
  /^(?:([a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)*)\/)?((?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$/
const labelValue = /^(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/

export const isLabelKey = (text: string): boolean => {
  const match = labelKey.exec(text)
  return match !== null && (match[1]?.length ?? 0) <= 253 && (match[2]?.length ?? 0) <= 63
}
export const isLabelValue = (text: string): boolean => text.length <= 63 && labelValue.test(text)

export const labels = checked(z.record(z.string(), z.string()), ({ value, report }) => {
  for (const [key, text] of Object.entries(value)) {
    if (!isLabelKey(key)) report('is not a label key', [key])
    if (!isLabelValue(text)) report('is not a label value: at most 63 letters, digits, "-", "_" and "."', [key])
  }
})

const selectedLabels = checked(z.record(z.string(), z.string()), ({ value, report }) => {
  for (const [key, text] of Object.entries(value)) {
    if (key === '') report('a selector needs the name of a label', [key])
    if (key.includes('*') || text.includes('*')) report('wildcards are not possible in selectors', [key])
  }
}).optional()

/** networking.istio.io WorkloadSelector. */
export const workloadSelector = message({ labels: selectedLabels }, { meant: { matchLabels: 'labels' } })

/** type.istio.io WorkloadSelector. */
export const matchLabelsSelector = message({ matchLabels: selectedLabels }, { meant: { labels: 'matchLabels' } })
