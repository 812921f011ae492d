import { authorizationPolicy } from '../config/authorization-policy.ts'
import { toObjectKey, type ObjectKey } from '../config-object.ts'

/** A rule of an AuthorizationPolicy, as Istio names it to Envoy. `isOfCluster`: the mesh has an object of the same key too, and this is the cluster's. */
export interface AccessRuleName {
  readonly namespace: string
  readonly name: string
  readonly index: number
  readonly isOfCluster: boolean
}

const ofCluster = '-of[cluster]'

export const toAccessRuleName = ({ namespace, name, index, isOfCluster }: AccessRuleName): string =>
  `ns[${namespace}]-policy[${name}]-rule[${index}]${isOfCluster ? ofCluster : ''}`

const pattern = /^(?:istio-ext-authz-)?ns\[([^\]]*)\]-policy\[([^\]]*)\]-rule\[(\d+)\](-of\[cluster\])?$/

/** Undefined: it is nobody's that people write. One of the action CUSTOM has Istio's mark before it. */
export const parseAccessRuleName = (text: string): AccessRuleName | undefined => {
  const [, namespace, name, index, shared] = pattern.exec(text) ?? []
  if (namespace === undefined || name === undefined) return undefined
  return { namespace, name, index: Number(index), isOfCluster: shared !== undefined }
}

/** The object that says a rule, and the rule in its spec. */
export const toAccessRuleObject = ({
  namespace,
  name,
  index,
}: AccessRuleName): { readonly object: ObjectKey; readonly path: string } => ({
  object: toObjectKey(authorizationPolicy.kind, namespace, name),
  path: `rules[${index}]`,
})
