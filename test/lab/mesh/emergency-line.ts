import { readFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { run } from '#test/harness/child.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { repository } from '../harness/paths.ts'
import { preparePrograms } from '../harness/programs.ts'

/** Runs the command of docs/runbooks/agent-away.md that lets pods start without a proxy, as it stands there. */
export const runEmergencyLine = async (cluster: LabCluster): Promise<void> => {
  const runbook = await readFile(join(repository, 'docs/runbooks/agent-away.md'), 'utf8')
  const [line] = /^ {7}kubectl .*mutatingwebhookconfiguration(?:.*\\\n)*.*$/m.exec(runbook) ?? []
  if (line === undefined) throw new Error('the runbook has no command for the webhook any more')
  const { kubectl } = await preparePrograms(() => {})
  const env = { KUBECONFIG: cluster.kubeconfig, PATH: [dirname(kubectl), process.env['PATH']].join(delimiter) }
  const { code, output } = await run({ name: 'emergency line', command: 'sh', args: ['-ec', line], env })
  if (code !== 0) throw new Error(`${line}\nended with ${code}:\n${output}`)
}
