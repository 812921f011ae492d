/** Labels of everything that belongs to one program of an installation; `name` alone selects its pods. */
export const toSelector = (name: string) => ({ 'app.kubernetes.io/name': name })

export const partOfAtoll = { 'app.kubernetes.io/part-of': 'atoll' } as const

export const toLabels = (name: string) => ({ ...toSelector(name), ...partOfAtoll })
