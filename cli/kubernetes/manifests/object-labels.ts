/** Labels of everything that belongs to one program of an installation; `name` alone selects its pods. */
export const toSelector = (name: string) => ({ 'app.kubernetes.io/name': name })

export const toLabels = (name: string) => ({ ...toSelector(name), 'app.kubernetes.io/part-of': 'atoll' })
