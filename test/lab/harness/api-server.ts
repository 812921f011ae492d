import { get } from 'node:https'
import { join } from 'node:path'
import { etcdUrl } from './etcd.ts'
import type { ClusterPlan, LabPlan } from './lab-plan.ts'
import { LabProcess } from './lab-process.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import type { ClusterPki } from './pki.ts'
import type { LabPrograms } from './programs.ts'

/** What the programs of one cluster are started from. */
export interface ClusterParts {
  readonly directory: string
  readonly lab: LabPlan
  readonly plan: ClusterPlan
  readonly pki: ClusterPki
  readonly programs: LabPrograms
  /** What image names stand for. */
  readonly imagesFile: string
  /** Names of what is outside, on this machine. */
  readonly outsideNames: readonly string[]
}

/** Starts the API server and waits until it serves. */
export const startApiServer = async ({ directory, lab, plan, pki, programs }: ClusterParts): Promise<LabProcess> => {
  const { address, port } = plan.apiServer
  const pkiFile = (name: string) => join(pki.directory, name)
  const server = LabProcess.start(directory, {
    name: 'kube-apiserver',
    command: programs.kubeApiserver,
    args: [
      `--etcd-servers=${etcdUrl(lab)}`,
      `--etcd-prefix=${plan.etcdPrefix}`,
      `--bind-address=${address}`,
      `--secure-port=${port}`,
      `--advertise-address=${address}`,
      `--service-cluster-ip-range=${plan.serviceCidr}`,
      `--tls-cert-file=${pkiFile('apiserver.crt')}`,
      `--tls-private-key-file=${pkiFile('apiserver.key')}`,
      `--client-ca-file=${pkiFile('ca.crt')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${pkiFile('sa.pub')}`,
      `--service-account-signing-key-file=${pkiFile('sa.key')}`,
      '--authorization-mode=RBAC',
      '--allow-privileged=true',
      '--kubelet-preferred-address-types=InternalIP',
      '--enable-priority-and-fairness=false',
    ],
  })
  await server.until('the API server is ready', async () => (await requestStatus(plan, pki, '/readyz')) === 200)
  return server
}

/** Starts the controllers and waits until their first work is done: a namespace has its service account and its root CA. */
export const startControllerManager = async (parts: ClusterParts): Promise<void> => {
  const { directory, plan, pki, programs } = parts
  const kubeconfig = join(directory, 'kube-controller-manager.kubeconfig')
  await writeKubeconfig(kubeconfig, [{ cluster: plan, ca: pki.ca, user: pki.controllerManager }])
  const manager = LabProcess.start(directory, {
    name: 'kube-controller-manager',
    command: programs.kubeControllerManager,
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--bind-address=${parts.lab.etcdAddress}`,
      `--secure-port=${plan.controllerManagerPort}`,
      '--leader-elect=false',
      // Gives every controller its own RBAC role.
      '--use-service-account-credentials=true',
      `--service-account-private-key-file=${join(pki.directory, 'sa.key')}`,
      `--root-ca-file=${join(pki.directory, 'ca.crt')}`,
      `--service-cluster-ip-range=${plan.serviceCidr}`,
      ...nodeMonitoring(plan),
      '--controllers=*,-horizontal-pod-autoscaler-controller,-persistentvolume-attach-detach-controller,-persistentvolume-binder-controller',
    ],
  })
  await manager.until('the controllers work', async () => {
    const made = ['serviceaccounts/default', 'configmaps/kube-root-ca.crt'].map((object) =>
      requestStatus(plan, pki, `/api/v1/namespaces/default/${object}`),
    )
    return (await Promise.all(made)).every((status) => status === 200)
  })
}

/**
 * Where one node of several goes away, that is found out in seconds instead of most of a minute. An only node does not go away: there a
 * short grace would only make its pods unready when the API server was away for longer, and all their Services empty.
 */
const nodeMonitoring = ({ nodes }: ClusterPlan): string[] =>
  nodes.length > 1 ? ['--node-monitor-period=1s', '--node-monitor-grace-period=10s'] : []

/** HTTP status of a GET as the cluster's admin. */
export const requestStatus = async (plan: ClusterPlan, pki: ClusterPki, path: string): Promise<number | undefined> =>
  (await request(plan, pki, path)).status

/** What a GET as the cluster's admin gives: JSON. */
export const requestJson = async (plan: ClusterPlan, pki: ClusterPki, path: string): Promise<unknown> => {
  const { status, body } = await request(plan, pki, path)
  if (status !== 200) throw new Error(`${path}: ${status} ${body}`)
  return JSON.parse(body)
}

interface Answer {
  readonly status: number | undefined
  readonly body: string
}

const request = (plan: ClusterPlan, pki: ClusterPki, path: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { address, port } = plan.apiServer
    const options = { host: address, port, path, ca: pki.ca, cert: pki.admin.certificate, key: pki.admin.key }
    get({ ...options, agent: false, timeout: 5000 }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('error', reject).on('end', () => resolve({ status: response.statusCode, body }))
    }).on('error', reject)
  })
