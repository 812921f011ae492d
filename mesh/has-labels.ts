type Labels = Readonly<Record<string, string>>

/** Whether something carries all of these labels, as selectors have it (Kubernetes: matchLabels). Allocates nothing. */
export const hasLabels = (labels: Labels, wanted: Labels): boolean => {
  for (const name in wanted) if (labels[name] !== wanted[name]) return false
  return true
}
