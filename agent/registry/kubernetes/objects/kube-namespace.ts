import { z } from 'zod'
import { networkLabel } from '#mesh/kubernetes/conventions.ts'
import { readWith } from './read-with.ts'

/** What is used of a Namespace. */
export interface KubeNamespace {
  /** What its label says; undefined = nothing. */
  readonly network: string | undefined
}

const namespaceObject = z.object({
  metadata: z.object({ labels: z.object({ [networkLabel]: z.string().optional() }).prefault({}) }),
})

/** Kubernetes reference: Namespace v1 core. */
export const readNamespace = readWith('Namespace', namespaceObject, ({ metadata }): KubeNamespace => ({
  network: metadata.labels[networkLabel],
}))
