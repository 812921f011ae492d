import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Child } from '#test/harness/child.ts'
import { freePort } from '#test/harness/world.ts'
import type { LabCluster } from './harness/cluster.ts'
import { repository } from './harness/paths.ts'
import { writeAgentKubeconfig } from './write-agent-kubeconfig.ts'

export interface AgentSettings {
  readonly cluster: LabCluster
  readonly planeUrl: string
  readonly joinToken: string
}

/** A replica of an agent with an installed one's rights at a real API server, as a process of this machine: it is killed and started again. */
export class AgentReplica {
  readonly name: string
  readonly xdsPort: number
  readonly httpPort: number
  readonly dataDirectory: string
  readonly #configFile: string
  #process: Child

  private constructor(directory: string, name: string, [xdsPort, httpPort]: readonly [number, number]) {
    this.name = name
    this.xdsPort = xdsPort
    this.httpPort = httpPort
    this.dataDirectory = join(directory, name)
    this.#configFile = join(directory, `${name}.yaml`)
    this.#process = this.#run()
  }

  /** The cluster has an installed agent's namespace, service account and rights; the directory is for the replica's files. */
  static async start(directory: string, name: string, settings: AgentSettings): Promise<AgentReplica> {
    const [xdsPort, httpPort] = [await freePort(), await freePort()]
    await writeAgentKubeconfig(settings.cluster, join(directory, `${name}.kubeconfig`))
    await writeFile(join(directory, `${name}.join-token`), `${settings.joinToken}\n`)
    await writeFile(
      join(directory, `${name}.yaml`),
      stringify({
        plane: settings.planeUrl,
        registry: 'kubernetes',
        kubeconfig: `${name}.kubeconfig`,
        replica: name,
        dataDirectory: name,
        joinTokenFile: `${name}.join-token`,
        xdsAddress: `127.0.0.1:${xdsPort}`,
        httpAddress: `127.0.0.1:${httpPort}`,
      }),
    )
    return new AgentReplica(directory, name, [xdsPort, httpPort])
  }

  /** The process that runs, or has run. */
  get process(): Child {
    return this.#process
  }

  /** Starts one that was ended. */
  startAgain(): void {
    this.#process = this.#run()
  }

  #run(): Child {
    const args = [join(repository, 'agent/main.ts'), 'run', '--config', this.#configFile]
    return new Child({ name: this.name, command: process.execPath, args })
  }
}
