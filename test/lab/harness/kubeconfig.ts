import { writeFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import type { ClusterPlan } from './lab-plan.ts'
import type { KeyPair } from './pki.ts'

export interface Access {
  readonly cluster: ClusterPlan
  readonly ca: string
  readonly user: KeyPair
}

export const serverUrl = ({ apiServer }: ClusterPlan): string => `https://${apiServer.address}:${apiServer.port}`

/** One context for each cluster, named after it; the first one is current. */
export const writeKubeconfig = (file: string, accesses: readonly Access[]): Promise<void> =>
  writeFile(
    file,
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': accesses[0]?.cluster.name,
      clusters: accesses.map(({ cluster, ca }) => ({
        name: cluster.name,
        cluster: { server: serverUrl(cluster), 'certificate-authority-data': base64(ca) },
      })),
      users: accesses.map(({ cluster, user }) => ({
        name: cluster.name,
        user: { 'client-certificate-data': base64(user.certificate), 'client-key-data': base64(user.key) },
      })),
      contexts: accesses.map(({ cluster: { name } }) => ({ name, context: { cluster: name, user: name } })),
    }),
    { mode: 0o600 },
  )

const base64 = (text: string): string => Buffer.from(text).toString('base64')
