import { toLabels } from './object-labels.ts'

/** What the "restricted" Pod Security Standard asks of a pod, and of each of its containers. */
export const restrictedPod = (user: number) => ({
  runAsNonRoot: true,
  runAsUser: user,
  runAsGroup: user,
  fsGroup: user,
  seccompProfile: { type: 'RuntimeDefault' },
})

export const restrictedContainer = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

/** Labels of a namespace that takes no other pods. */
export const restrictedNamespace = (name: string) => ({
  ...toLabels(name),
  'pod-security.kubernetes.io/enforce': 'restricted',
  'pod-security.kubernetes.io/warn': 'restricted',
})

/** Replicas on different nodes and in different zones, as far as there are any. */
export const spreadOverNodes = (matchLabels: Readonly<Record<string, string>>) =>
  ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels },
  }))

/** A new replica is ready before an old one goes; the old one serves until everybody has heard of the new one. */
export const rollWithoutGap = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
