/** A label's name in Prometheus' data model: [a-zA-Z_][a-zA-Z0-9_]*. Other characters become "_". */
export const toLabelName = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_]/g, '_').replace(/^(?=[0-9])/, '_')

/** Of buckets and quantiles, and of the series for what there was no room for, in Prometheus and OpenTelemetry. */
const reserved: readonly string[] = ['le', 'quantile', 'overflow', 'otel_metric_overflow']

/** Whether nobody may add a label of this name to a metric. Where one stands twice Prometheus takes nothing of all that it was told with it. */
export const isReservedLabel = (label: string): boolean => label.startsWith('__') || reserved.includes(label)

/** Why no label of this name can be added to a metric. */
export const labelNameFault = (name: string): string | undefined => {
  const label = toLabelName(name)
  return isReservedLabel(label) ? `Prometheus or the mesh itself uses the label ${label}: take another name` : undefined
}
