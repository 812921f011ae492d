import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { agentHttpPort, agentName, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { prometheusPath, toPrometheusQuery, type PrometheusQuery } from '#test/harness/prometheus.ts'
import type { Lab } from '../harness/lab.ts'
import { LabProcess } from '../harness/lab-process.ts'
import { labDirectory } from '../harness/lab-record.ts'
import type { LabMesh } from './lab-mesh.ts'

/** The job of what the plane tells of all clusters. */
export const planeJob = 'atoll'

/**
 * A real Prometheus beside the lab, which ends with it. It asks the agents of each cluster, in a job of the cluster's name, by their pods' addresses: Debian's is
 * built without Kubernetes' service discovery. The plane it asks as docs/telemetry.md says.
 */
export const startLabPrometheus = async (lab: Lab, mesh: LabMesh): Promise<PrometheusQuery> => {
  if (prometheusPath === undefined) throw new Error('there is no prometheus: apt-get install prometheus')
  const directory = join(labDirectory(lab.plan.name), 'prometheus')
  await mkdir(join(directory, 'data'), { recursive: true })
  const agents = await Promise.all(
    lab.clusters.map(async (cluster) => {
      const pods = await cluster.waitForPods(systemNamespace, `app.kubernetes.io/name=${agentName}`)
      return {
        job_name: cluster.name,
        static_configs: [{ targets: pods.map(({ address }) => `${address}:${agentHttpPort}`) }],
      }
    }),
  )
  const token = join(directory, 'token')
  await mesh.world.atoll(['token', 'create', '--role', 'viewer', '--name', 'prometheus', '--out', token])
  const plane = {
    job_name: planeJob,
    honor_labels: true,
    scheme: 'https',
    metrics_path: `/v1/meshes/${mesh.world.mesh}/metrics/federate`,
    authorization: { credentials_file: token },
    tls_config: { ca_file: mesh.planeCa },
    static_configs: [{ targets: [new URL(mesh.world.url).host] }],
  }
  const file = join(directory, 'prometheus.yml')
  const config = { global: { scrape_interval: '5s' }, scrape_configs: [...agents, plane] }
  await writeFile(file, stringify(config))
  const address = `${lab.hostAddress}:9090`
  const program = LabProcess.start(labDirectory(lab.plan.name), {
    name: 'prometheus',
    command: prometheusPath,
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
    ],
  })
  const query = toPrometheusQuery(`http://${address}`)
  await program.until('Prometheus answers', () =>
    query('vector(1)').then(
      ({ length }) => length === 1,
      () => false,
    ),
  )
  return query
}
