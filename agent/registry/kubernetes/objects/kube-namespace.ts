import { z } from 'zod'
import { injectionLabel, networkLabel, revisionLabel } from '#mesh/kubernetes/conventions.ts'
import { readWith } from './read-with.ts'

/** What is used of a Namespace. */
export interface KubeNamespace {
  /** What its label says; undefined = nothing. */
  readonly network: string | undefined
  /** Those of its labels that the injector goes by. */
  readonly injectionLabels: Readonly<Record<string, string>>
}

const namespaceObject = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
})

/** Kubernetes reference: Namespace v1 core. */
export const readNamespace = readWith('Namespace', namespaceObject, ({ metadata: { labels } }): KubeNamespace => ({
  network: labels[networkLabel],
  injectionLabels: Object.fromEntries(
    [injectionLabel, revisionLabel].flatMap((label) => {
      const value = labels[label]
      return value === undefined ? [] : [[label, value]]
    }),
  ),
}))
