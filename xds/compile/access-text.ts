import { toClustersDnsName } from '#mesh/identity.ts'
import type { TrustDomain } from '#mesh/names.ts'
import type { AccessText } from '#xds/model/access.ts'
import { escapeRegex } from './escape-regex.ts'

/** Istio reference: AuthorizationPolicy, Rule: "abc" is that text, "abc*" and "*abc" have it at the beginning and at the end, "*" is any that is not empty. */
export const compileText = (value: string, prefix = ''): AccessText => {
  if (value === '*') return prefix === '' ? { kind: 'present' } : { kind: 'prefix', text: prefix }
  if (value.startsWith('*'))
    return prefix === ''
      ? { kind: 'suffix', text: value.slice(1) }
      : { kind: 'regex', text: `${escapeRegex(prefix)}.*${escapeRegex(value.slice(1))}` }
  if (value.endsWith('*')) return { kind: 'prefix', text: prefix + value.slice(0, -1) }
  return { kind: 'exact', text: prefix + value }
}

const scheme = 'spiffe://'

/** Domains whose names in policies mean the mesh's own; `clusterLocal` is Istio's. */
export interface OwnDomains {
  readonly trustDomain: TrustDomain
  readonly aliases: readonly string[]
}

const clusterLocal = 'cluster.local'

/**
 * "<trust domain>/ns/<namespace>/sa/<service account>". A trust domain that is written out and is an alias of the mesh's is the mesh's: certificates have no other. One with a
 * star is no name of anything, and stays as it is: it means no more than it says (Istio widens it by its aliases).
 */
export const compilePrincipal = (principal: string, own: OwnDomains): AccessText => {
  const slash = principal.indexOf('/')
  const domain = principal.slice(0, slash)
  const meant = slash > 0 ? toMeantDomain(domain, own, [clusterLocal]) : domain
  return compileText(slash > 0 ? meant + principal.slice(slash) : principal, scheme)
}

const toMeantDomain = (domain: string, own: OwnDomains, others: readonly string[] = []): string =>
  own.aliases.includes(domain) || others.includes(domain) ? own.trustDomain : domain

export const compileTrustDomain = (domain: string, own: OwnDomains): AccessText => {
  const meant = toMeantDomain(domain, own)
  return meant.startsWith('*') && meant !== '*'
    ? { kind: 'regex', text: `${escapeRegex(scheme)}${toSegment(meant)}/.*` }
    : compileText(meant.endsWith('*') ? meant : `${meant}/*`, scheme)
}

/** A SPIFFE ID of this namespace, of any trust domain: a star stays within the name. */
export const compileNamespace = (namespace: string): AccessText => toIdentity(toSegment(namespace), anySegment)

/** "<namespace>/<name>", or the name alone of one in the policy's namespace. */
export const compileServiceAccount = (account: string, ownNamespace: string): AccessText => {
  const [namespace = '', name] = account.split('/')
  return name === undefined
    ? toIdentity(escapeRegex(ownNamespace), escapeRegex(namespace))
    : toIdentity(escapeRegex(namespace), escapeRegex(name))
}

/**
 * The DNS name of this cluster, or of a workload of it, which its intermediate alone may sign (docs/decisions/0003). The cluster's own as well: it is the one that proxies ask for, and a cluster in somebody's hands may leave the
 * other out. Of letters that are in such names alone: Envoy compares a text with whatever a certificate says, and the path of a URI and the subject are bound by no constraint.
 */
export const compileCluster = (
  cluster: string,
  { trustDomain }: OwnDomains,
): AccessText & { readonly kind: 'regex' } => ({
  kind: 'regex',
  text: `(?:[a-z0-9._-]+\\.)?${cluster.split('*').map(escapeRegex).join('[a-z0-9-]*')}\\.${escapeRegex(toClustersDnsName(trustDomain))}`,
})

const anySegment = '[^/]+'

const toIdentity = (namespace: string, account: string): AccessText => ({
  kind: 'regex',
  text: `${escapeRegex(scheme)}${anySegment}/ns/${namespace}/sa/${account}`,
})

const toSegment = (text: string): string => (text === '*' ? anySegment : text.split('*').map(escapeRegex).join('[^/]*'))
