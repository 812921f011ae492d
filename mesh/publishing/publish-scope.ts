/** What one grant lets a cluster publish; `*` = any. */
export interface PublishScope {
  readonly namespace: string
  readonly kind: string
}

/** Whether one of these grants lets an object be published. */
export const toScopeTest = (scopes: readonly PublishScope[]): ((object: PublishScope) => boolean) => {
  const granted = new Set(scopes.map(({ namespace, kind }) => `${namespace}/${kind}`))
  return ({ namespace, kind }) =>
    [namespace, '*'].some((place) => [kind, '*'].some((what) => granted.has(`${place}/${what}`)))
}
