import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import {
  ensurePreviousRelease,
  findPreviousReleaseObstacle,
  previousRelease,
} from '../../../scripts/previous-release.mjs'
import { agentUser, joinTokenSecret, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { eventually } from '#test/harness/child.ts'
import { builtPrograms, ownPrograms } from '#test/harness/programs.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { Lab } from '../harness/lab.ts'
import { nodeImage } from '../harness/lab-image.ts'
import { repository } from '../harness/paths.ts'
import { Client, failuresOf } from './client.ts'
import { LabMesh } from './lab-mesh.ts'
import { frontend, reviews, shopNamespace } from './shop.ts'

/** The agent that was published into a folder of this repository. */
const agentImage = (folder: string) => nodeImage(join(relative(repository, folder), 'atoll-agent.js'), [], agentUser)

const obstacle = findPreviousReleaseObstacle()

describe.skipIf(obstacle !== undefined)(
  `a cluster of the previous release is upgraded${obstacle === undefined ? '' : ` (${obstacle})`}`,
  () => {
    let lab: Lab
    let mesh: LabMesh
    let east: LabCluster
    let frontendOfEast: Client

    beforeAll(async () => {
      const release = ensurePreviousRelease()
      const images = { [`atoll/agent:${previousRelease.version}`]: agentImage(release) }
      lab = await Lab.up({ name: 'upgrade', clusters: 1, images })
      east = lab.cluster('east')
      frontendOfEast = new Client(east, 'shop', ['frontend', 'app'])
      mesh = await LabMesh.start(lab)
      mesh.world.programs.cli = builtPrograms(release)
      await mesh.join('east')
      await east.apply(shopNamespace + '---' + reviews('v1') + '---' + frontend)
      await Promise.all([east.waitForPods('shop', 'app=reviews', 2), east.waitForPods('shop', 'app=frontend', 1)])
      await eventually('requests are answered', async () => failuresOf(await frontendOfEast.call(url, 1)).length === 0)
    }, 600_000)
    afterAll(async () => {
      await lab?.down()
    })

    const url = 'http://reviews:9080/'

    /** Pods of a selector and the images of theirs that are ours. */
    const imagesOf = async (namespace: string, selector: string): Promise<Record<string, readonly string[]>> => {
      const path = '{range .items[*]}{.metadata.name} {.spec..image}{"\\n"}{end}'
      const { stdout } = await east.kubectl(['get', 'pods', '-n', namespace, '-l', selector, '-o', `jsonpath=${path}`])
      const lines = stdout.trim().split('\n')
      return Object.fromEntries(
        lines.map((line) => {
          const [name = '', ...images] = line.split(' ')
          return [name, [...new Set(images.filter((image) => image.startsWith('atoll/')))].toSorted()]
        }),
      )
    }
    const proxyOf = (version: string): readonly string[] => [`atoll/proxy:${version}`]

    const agentVersions = async (): Promise<readonly string[]> => {
      const cluster = await mesh.world.atollJson<{ replicas: { agentVersion: string }[] }>(['cluster', 'show', 'east'])
      return cluster.replicas.map(({ agentVersion }) => agentVersion)
    }

    /** What an installation of the current command line consists of. */
    const manifestNames = async (): Promise<readonly string[]> => {
      const args = ['cluster', 'join', 'east', '--context', 'east', '--plane', 'https://plane.example', '--dry-run']
      const { stdout } = await mesh.world.atoll([...args, '--output', 'name'])
      return stdout.trim().split('\n')
    }

    test('by the newer command line, without a failed request', async () => {
      const { cli: older } = mesh.world.programs
      expect(await agentVersions()).toEqual([previousRelease.version, previousRelease.version])
      const before = await imagesOf('shop', 'app=reviews')
      expect(Object.values(before)).toEqual([proxyOf(previousRelease.version), proxyOf(previousRelease.version)])

      const answers = await frontendOfEast.callDuring(url, async () => {
        mesh.world.programs.cli = ownPrograms
        expect(await mesh.join('east')).toContain(`Deployment ${systemNamespace}/atoll-agent changed`)
        // One that is ending drains first.
        await eventually('the older agents have ended', async () => {
          const versions = await agentVersions()
          return versions.length === 2 && versions.every((version) => version === packageJson.version)
        })
        await frontendOfEast.call(url, 20)
      })
      expect(failuresOf(answers)).toEqual([])
      expect(answers.length).toBeGreaterThan(20)
      expect(await imagesOf('shop', 'app=reviews')).toEqual(before)

      const newNames = await manifestNames()
      mesh.world.programs.cli = older
      const gone = (await manifestNames()).filter((name) => !newNames.includes(name))
      mesh.world.programs.cli = ownPrograms
      // Any other object that is none of ours any more would stay behind: join takes away only what the command line still knows of.
      expect(gone.filter((name) => name !== `Secret ${systemNamespace}/${joinTokenSecret}`)).toEqual([])
      const token = ['get', 'secret', joinTokenSecret, '-n', systemNamespace, '--ignore-not-found', '-o', 'name']
      expect((await east.kubectl(token)).stdout).toBe('')
      const ours = [`atoll/agent:${packageJson.version}`, ...proxyOf(packageJson.version)]
      await eventually('nothing of the older version runs', async () => {
        const images = Object.values(await imagesOf(systemNamespace, 'app.kubernetes.io/name')).flat()
        return ours.every((image) => images.includes(image)) && images.every((image) => ours.includes(image))
      })
    }, 600_000)

    test('and pods get its proxy when they are made anew', async () => {
      await east.kubectl(['rollout', 'restart', 'deployment/reviews-v1', '-n', 'shop'])
      await east.kubectl(['rollout', 'status', 'deployment/reviews-v1', '-n', 'shop', '--timeout=120s'])
      await eventually(
        'the older pods are gone',
        async () => {
          const images = Object.values(await imagesOf('shop', 'app=reviews'))
          return images.length === 2 && images.every(([image]) => image === proxyOf(packageJson.version)[0])
        },
        120_000,
      )
      expect(failuresOf(await frontendOfEast.call(url, 20))).toEqual([])
    }, 300_000)
  },
)
