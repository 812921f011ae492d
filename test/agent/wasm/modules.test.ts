import { createHash } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import type { FetchedModule } from '#agent/wasm/fetch-module.ts'
import { ModuleFiles } from '#agent/wasm/module-files.ts'
import { maxTotalBytes } from '#agent/wasm/module-limits.ts'
import { keptModule, Modules } from '#agent/wasm/modules.ts'
import type { ViewChange } from '#mesh/view.ts'
import { maxModules, toModuleKey, type ModuleSource } from '#mesh/wasm/module-source.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { untilHolds } from '../until-holds.ts'
import { VirtualClock } from '../virtual-clock.ts'

const toModule = (text: string): FetchedModule => {
  const code = Buffer.from(text)
  return { code, digest: createHash('sha256').update(code).digest('hex') }
}
const toSource = (url: string, refreshedBy = ''): ModuleSource => {
  const key = toModuleKey({ url, sha256: undefined }, 'shop')
  if (key === undefined) throw new Error(url)
  return { key, place: { kind: 'http', url }, pullSecret: undefined, sha256: undefined, refreshedBy }
}

type Fetch = (source: ModuleSource) => Promise<FetchedModule>
const setUp = (fetch: Fetch, directory = temporaryDirectory(), clock = new VirtualClock()) => {
  const reports: string[] = []
  const changes: ViewChange[] = []
  const asked: string[] = []
  const server = { fetch }
  const folder = join(directory, 'wasm-modules')
  const modules = new Modules({
    clock,
    random: () => 0,
    log: pino({ level: 'silent' }),
    fetch: (source) => {
      asked.push(source.key.trim())
      return server.fetch(source)
    },
    files: new ModuleFiles(folder, (text) => reports.push(text)),
    snapshot: new SealedSnapshot({
      path: join(directory, 'wasm-modules.snapshot'),
      name: 'wasm-modules',
      key: loadSealingKey(join(directory, 'sealing.key'), true),
      schema: keptModule,
      report: (text) => reports.push(text),
    }),
    onChanges: (some) => changes.push(...some),
    onProblems: () => {},
  })
  onTestFinished(() => modules.stop())
  modules.load()
  const told = (): readonly string[] =>
    changes.map((change) => {
      if (change.kind !== 'wasm-module' || change.value === null) return 'nothing'
      return 'fault' in change.value ? `fault: ${change.value.fault}` : Buffer.from(change.value.code).toString()
    })
  return { modules, clock, server, told, reports, asked, directory, folder }
}

const one = toSource('https://a.example/one')
const isAway: Fetch = () => Promise.reject(new Error('answered 503'))

test('a module is fetched once, whatever becomes of the objects that name it', async () => {
  const { modules, told, asked, clock } = setUp(() => Promise.resolve(toModule('one')))
  modules.want([one])
  await untilHolds(() => expect(told()).toEqual(['one']))
  modules.want([{ ...one }])
  clock.advance(24 * 60 * 60_000)
  expect(asked).toEqual(['https://a.example/one'])
  modules.want([])
  expect(told()).toEqual(['one', 'nothing'])
  modules.want([one])
  expect(told()).toEqual(['one', 'nothing', 'one'])
  expect(asked).toHaveLength(1)
})

test('a module is there after a restart while its server is away', async () => {
  const first = setUp(() => Promise.resolve(toModule('one')))
  first.modules.want([one])
  await untilHolds(() => expect(first.told()).toEqual(['one']))
  await first.modules.stop()
  const second = setUp(isAway, first.directory)
  second.modules.want([one])
  expect(second.told()).toEqual(['one'])
  expect(second.asked).toEqual([])
})

test('a module on disk that was changed is not run: it is fetched anew', async () => {
  const first = setUp(() => Promise.resolve(toModule('one')))
  first.modules.want([one])
  await untilHolds(() => expect(first.told()).toEqual(['one']))
  await first.modules.stop()
  const file = `${toModule('one').digest}.wasm`
  expect(readdirSync(first.folder)).toEqual([file])
  writeFileSync(join(first.folder, file), 'evil')

  const second = setUp(isAway, first.directory)
  second.modules.want([one])
  await untilHolds(() => expect(second.told()).toEqual(['fault: answered 503']))
  expect(second.reports).toEqual([`${join(first.folder, file)} is not what its name says: it is fetched anew`])
  second.server.fetch = () => Promise.resolve(toModule('one'))
  second.clock.advance(500)
  await untilHolds(() => expect(second.told()).toEqual(['fault: answered 503', 'one']))
})

test('a module is fetched anew when its object asks for it; what there was goes on while it can not be had', async () => {
  const { modules, told, asked, server, clock, directory } = setUp(() => Promise.resolve(toModule('one')))
  modules.want([toSource('https://a.example/one', 'first')])
  await untilHolds(() => expect(told()).toEqual(['one']))
  server.fetch = isAway
  modules.want([toSource('https://a.example/one', 'second')])
  await untilHolds(() => expect(modules.statuses()).toMatchObject([{ failure: 'answered 503' }]))
  expect(told()).toEqual(['one'])
  server.fetch = () => Promise.resolve(toModule('two'))
  clock.advance(500)
  await untilHolds(() => expect(told()).toEqual(['one', 'two']))
  expect(modules.statuses()).toMatchObject([{ failure: undefined, fetchedAt: clock.now() }])
  expect(asked).toHaveLength(3)
  await modules.stop()

  const restarted = setUp(isAway, directory)
  restarted.modules.want([toSource('https://a.example/one', 'second')])
  expect([restarted.told(), restarted.asked]).toEqual([['two'], []])
})

test('who waits for a module is told when it takes too long, and has it when it comes', async () => {
  const { promise, resolve } = Promise.withResolvers<FetchedModule>()
  const { modules, told, clock } = setUp(() => promise)
  modules.want([one])
  clock.advance(11_999)
  expect(told()).toEqual([])
  clock.advance(1)
  expect(told()).toEqual(['fault: is still being fetched'])
  resolve(toModule('one'))
  await untilHolds(() => expect(told()).toEqual(['fault: is still being fetched', 'one']))
})

test('no more modules are kept than there is room for, by number and by size', async () => {
  const many = setUp((source) => Promise.resolve(toModule(source.key)))
  const sources = Array.from({ length: maxModules + 1 }, (_, index) => toSource(`https://a.example/${index + 100}`))
  many.modules.want(sources.slice(0, maxModules), sources.slice(maxModules))
  await untilHolds(() => expect(many.told()).toHaveLength(maxModules + 1))
  expect(many.told().filter((text) => text.startsWith('fault'))).toEqual([
    `fault: is not fetched: an agent keeps ${maxModules} modules at most, of each namespace one in turn`,
  ])
  many.modules.want(sources.slice(1))
  await untilHolds(() => expect(many.told().at(-1)).toContain(`https://a.example/${maxModules + 100}`))

  const half = (fill: string): FetchedModule => ({ ...toModule(fill), code: Buffer.alloc(maxTotalBytes / 2 + 1, fill) })
  const large = setUp((source) => Promise.resolve(half(source.key.includes('one') ? '1' : '2')))
  large.modules.want([one])
  await untilHolds(() => expect(large.told()).toHaveLength(1))
  large.modules.want([one, toSource('https://a.example/two')])
  await untilHolds(() =>
    expect(large.told().at(-1)).toBe('fault: is too large beside the others: an agent keeps 64 MiB of modules'),
  )
})
