import { delimiter, dirname, join, relative } from 'node:path'
import type { Lab } from '../harness/lab.ts'
import { labDirectory } from '../harness/lab-record.ts'
import { preparePrograms } from '../harness/programs.ts'
import type { LabMesh } from './lab-mesh.ts'

/** What a shell reads to work with a lab: where kubectl finds its clusters, and atoll its plane. */
export const toLabEnvironment = async (lab: Lab, mesh: LabMesh | undefined): Promise<string> => {
  const { kubectl } = await preparePrograms(() => {})
  const { NO_COLOR: _, ...atoll } = mesh?.world.userEnvironment() ?? {}
  const variables = { ...atoll, KUBECONFIG: lab.kubeconfig }
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'`)
  return [...lines, `export PATH="$PATH${delimiter}${dirname(kubectl)}"`, ''].join('\n')
}

/** What a person wants to know of a lab that is up. */
export const describeLab = (lab: Lab, mesh: LabMesh | undefined): string => {
  const { name, network, hostAddress } = lab.plan
  const files = relative('.', labDirectory(name))
  const [first] = lab.clusters
  const option = name === 'lab' ? '' : ` --name ${name}`
  const clusters = lab.clusters.map(
    ({ name: cluster, url, plan }) =>
      `  ${cluster.padEnd(6)} ${url}  network ${plan.network}, pods ${plan.podCidr}, Services ${plan.serviceCidr}`,
  )
  const examples = [
    [
      `source ${join(files, 'env')}`,
      `KUBECONFIG with the contexts ${lab.clusters.map((each) => each.name).join(', ')}`,
    ],
    [`kubectl --context ${first?.name} get pods --all-namespaces`, ''],
    ...(mesh === undefined ? [] : [['npx atoll proxies', 'signed in already']]),
    [`npm run lab -- show${option}`, 'all this again'],
    [`npm run lab -- down${option}`, ''],
  ].map(([command = '', comment = '']) => (comment === '' ? `  ${command}` : `  ${command.padEnd(50)}  # ${comment}`))
  return [
    `The lab ${name}: ${lab.clusters.length} clusters, ${network === 'flat' ? 'one flat network' : 'a network each'}${mesh === undefined ? ', no mesh' : ', in one mesh'}`,
    '',
    ...clusters,
    ...(mesh === undefined ? [] : [`  plane  ${mesh.world.url}  mesh ${mesh.world.mesh}`]),
    '',
    ...examples,
    '',
    `This machine reaches all pods and Services; pods reach it at ${hostAddress}. Logs: ${files}/*.log, ${files}/*/*.log`,
    '',
  ].join('\n')
}
