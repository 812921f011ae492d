import { describe, expect, test } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { puppetPorts } from '../capture/errand.ts'
import { account, soon, type PolicyStage } from './policy-stage.ts'

/** The last that happens in a mesh: one of its clusters is put out. */
export const describeEviction = (theStage: () => PolicyStage): void => {
  describe('an eviction', () => {
    const verdicts = () =>
      Promise.all(['east/frontend', 'west/frontend'].map((from) => theStage().ask(from, 'http://in-west/')))
    const talks = () =>
      Promise.all(['east/frontend', 'west/frontend'].map((from) => theStage().talk(from, 'in-west', puppetPorts.echo)))

    /** Connections for HTTP that the proxy of east's frontend has to the pod of west. */
    const countHttp = async (): Promise<number> => {
      const admin = 'http://127.0.0.1:15000/stats?filter=%5Ecluster.outbound.80..in-west.*upstream_cx_active'
      const { body } = await theStage().pod('east/frontend').does.get(admin)
      const [, count] = /upstream_cx_active: (\d+)/.exec(body) ?? []
      if (count === undefined) throw new Error(`no such count: ${body}`)
      return Number(count)
    }

    test('closes what captured pods have open, HTTP and TCP, and refuses what is new, also by a proxy that starts without the plane', async () => {
      const stage = theStage()
      const tcp = await stage.pod('east/frontend').does.open('in-west', puppetPorts.echo)
      expect(await tcp('hello')).toBe('hello')
      expect(await verdicts()).toEqual([account('frontend'), account('frontend')])
      expect(await countHttp()).toBeGreaterThan(0)

      const begun = Date.now()
      const tcpClosed = tcp('').then((said) => ({ said, after: Date.now() - begun }))
      await stage.mesh.world.atoll(['cluster', 'evict', 'east', '--yes'])
      await expect.poll(verdicts, soon('new ones are refused')).toEqual(['503', account('frontend')])
      const refused = Date.now() - begun
      await stage.mesh.killPlane()
      expect((await tcpClosed).said).toBe('')
      await eventually('HTTP is closed', async () => (await countHttp()) === 0)
      const closed = Date.now() - begun
      process.stdout.write(
        `evicted: new refused after ${refused} ms, TCP closed after ${(await tcpClosed).after} ms, HTTP within ${closed} ms\n`,
      )
      expect(await talks()).toEqual(['closed', 'answered'])

      await stage.restartProxyOfGuarded()
      await expect.poll(verdicts, soon('it goes on for west')).toEqual(['503', account('frontend')])
      expect(await talks()).toEqual(['closed', 'answered'])
    })
  })
}
