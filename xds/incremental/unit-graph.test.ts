import { expect, test } from 'vitest'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { viewKeys, type MeshView } from '#mesh/view.ts'
import { east, network1, settings, trust } from '#test/mesh/records.ts'
import { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { SetContents } from './set-contents.ts'
import { UnitGraph } from './unit-graph.ts'
import type { Unit, UnitOutput, UnitResource } from './unit.ts'

const resource = (name: string, version = '1'): UnitResource => ({
  type: typeUrls.cluster,
  resource: { name, version, body: new Uint8Array() },
})

/** A unit whose output a test decides, and which reads the trust state. */
class TestUnit implements Unit {
  readonly key: string
  output: UnitOutput | Error
  runs = 0

  constructor(key: string, output: UnitOutput | Error = { resources: [resource(key)] }) {
    this.key = key
    this.output = output
  }

  compile(view: MeshView): UnitOutput {
    this.runs++
    view.trust()
    if (this.output instanceof Error) throw this.output
    return this.output
  }
}

const touched = [viewKeys.trust]
const makeGraph = () =>
  new UnitGraph(new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust }))
const namesIn = (set: ResourceSet) => [...set.all(typeUrls.cluster).keys()].sort()

test('a unit is compiled once for all the sets that it is in', () => {
  const graph = makeGraph()
  const shared = new TestUnit('shared')
  const [one, two] = [new ResourceSet('1'), new ResourceSet('2')]
  graph.fill(one, new TestUnit('one', { includes: [shared] }))
  graph.fill(two, new TestUnit('two', { includes: [shared] }))
  expect(shared.runs).toBe(1)
  expect(one.get(typeUrls.cluster, 'shared')).toBe(two.get(typeUrls.cluster, 'shared'))
  graph.update(touched)
  expect(shared.runs).toBe(2)
})

test('what no set has any more is forgotten and does not run', () => {
  const graph = makeGraph()
  const child = new TestUnit('child')
  const root = new TestUnit('root', { includes: [child] })
  const set = new ResourceSet('s')
  graph.fill(set, root)
  root.output = {}
  expect(graph.update(touched)).toEqual([set])
  expect(namesIn(set)).toEqual([])
  graph.update(touched)
  graph.drop(set, root)
  graph.update(touched)
  expect([root.runs, child.runs]).toEqual([3, 1])
})

test('a key that nothing read runs nothing', () => {
  const graph = makeGraph()
  const root = new TestUnit('root')
  graph.fill(new ResourceSet('s'), root)
  expect(graph.update([viewKeys.settings])).toEqual([])
  expect(root.runs).toBe(1)
})

test('a unit that throws keeps its last output and what it includes; the others go on, and it recovers', () => {
  const graph = makeGraph()
  const child = new TestUnit('child')
  const faulty = new TestUnit('faulty', { resources: [resource('faulty')], includes: [child] })
  const sound = new TestUnit('sound')
  const set = new ResourceSet('s')
  graph.fill(set, new TestUnit('root', { includes: [faulty, sound] }))

  faulty.output = new Error('boom')
  sound.output = { resources: [resource('sound', '2')] }
  graph.update(touched)
  expect(namesIn(set)).toEqual(['child', 'faulty', 'sound'])
  expect(set.get(typeUrls.cluster, 'sound')?.version).toBe('2')
  expect(graph.problems()).toEqual([{ unit: 'faulty', object: '', message: 'boom' }])

  faulty.output = { resources: [resource('faulty', '3')] }
  graph.update(touched)
  expect(namesIn(set)).toEqual(['faulty', 'sound'])
  expect(graph.problems()).toEqual([])
})

test('a unit that throws at first is tried again when what it read changes', () => {
  const graph = makeGraph()
  const root = new TestUnit('root', new Error('not yet'))
  const set = new ResourceSet('s')
  graph.fill(set, root)
  root.output = { resources: [resource('now')] }
  graph.update(touched)
  expect(namesIn(set)).toEqual(['now'])
})

test('a name goes from one unit to another within one generation, whoever runs first', () => {
  for (const order of ['old first', 'new first']) {
    const graph = makeGraph()
    const old = new TestUnit('old', { resources: [resource('x', 'old')] })
    const next = new TestUnit('next', { resources: [resource('x', 'new')] })
    const parents =
      order === 'old first'
        ? [new TestUnit('p', { includes: [old] }), new TestUnit('q', {})]
        : [new TestUnit('q', {}), new TestUnit('p', { includes: [old] })]
    const set = new ResourceSet('s')
    graph.fill(set, new TestUnit('root', { includes: parents }))
    for (const parent of parents) parent.output = parent.key === 'p' ? {} : { includes: [next] }
    graph.update(touched)
    expect(set.get(typeUrls.cluster, 'x')?.version).toBe('new')
    expect(set.changesSince(typeUrls.cluster, 1)).toEqual(['x'])
  }
})

test('a name stays with who has taken it over, though who had it is compiled again before it goes', () => {
  const set = new ResourceSet('s')
  const contents = new SetContents<string>(set, 'root')
  contents.put('old', resource('a', '1'))
  contents.put('new', resource('a', '2'))
  contents.put('old', resource('a', '3'))
  contents.remove('old', resource('a', '3'))
  contents.flush()
  expect(set.get(typeUrls.cluster, 'a')?.version).toBe('2')
  contents.remove('new', resource('a', '2'))
  contents.flush()
  expect(namesIn(set)).toEqual([])
})

test('problems last as long as their units', () => {
  const graph = makeGraph()
  const root = new TestUnit('root', { problems: [{ object: 'Kind/ns/name', message: 'dangling' }] })
  const set = new ResourceSet('s')
  graph.fill(set, root)
  expect(graph.problems()).toEqual([{ unit: 'root', object: 'Kind/ns/name', message: 'dangling' }])
  graph.drop(set, root)
  expect(graph.problems()).toEqual([])
})

test('what units give by place is in a set of its own for each place, as long as they are in the whole', () => {
  const graph = makeGraph()
  const given: string[] = []
  const byPlace = (place: string) => {
    given.push(place)
    return [resource(`at ${place}`)]
  }
  const placing = new TestUnit('placing', { resources: [resource('everywhere')], byPlace })
  const root = new TestUnit('root', { includes: [placing] })
  const [whole, here, there, alike] = ['whole', 'here', 'there', 'alike'].map((id) => new ResourceSet(id))
  if (!whole || !here || !there || !alike) throw new Error('no sets')
  graph.fill(whole, root)
  graph.fillPart(here, whole, 'here')
  graph.fillPart(there, whole, 'there')
  const otherRoot = new TestUnit('other', { includes: [placing] })
  const other = new ResourceSet('other whole')
  graph.fill(other, otherRoot)
  graph.fillPart(alike, other, 'here')
  expect([whole, here, there, alike].map(namesIn)).toEqual([['everywhere'], ['at here'], ['at there'], ['at here']])
  expect(given).toEqual(['here', 'there'])

  placing.output = { resources: [resource('everywhere')] }
  expect(graph.update(touched)).toEqual([here, alike, there])
  expect([whole, here, there, alike].map(namesIn)).toEqual([['everywhere'], [], [], []])
  placing.output = { byPlace }
  graph.update(touched)
  graph.dropPart(whole, 'there')
  root.output = {}
  graph.update(touched)
  expect([whole, here, alike].map(namesIn)).toEqual([[], [], ['at here']])
  given.length = 0
  placing.output = { byPlace }
  graph.update(touched)
  expect(given).toEqual(['here'])
})

test('what throws for one place keeps what it gave there', () => {
  const graph = makeGraph()
  const placing = new TestUnit('placing', { byPlace: (place) => [resource(`at ${place}`)] })
  const [whole, here, there] = ['whole', 'here', 'there'].map((id) => new ResourceSet(id))
  if (!whole || !here || !there) throw new Error('no sets')
  graph.fill(whole, placing)
  graph.fillPart(here, whole, 'here')
  graph.fillPart(there, whole, 'there')
  placing.output = {
    byPlace: (place) => {
      if (place === 'here') throw new Error('boom')
      return [resource(`anew at ${place}`)]
    },
  }
  graph.update(touched)
  expect([here, there].map(namesIn)).toEqual([['at here'], ['anew at there']])
  expect(graph.problems()).toEqual([{ unit: 'placing', object: '', message: 'boom' }])
})

test('what throws for a place where it has given nothing yet blocks that place, until it gives something or is left', () => {
  const graph = makeGraph()
  const byPlace = (place: string) => {
    if (place !== 'here') throw new Error('boom')
    return [resource(`at ${place}`)]
  }
  const placing = new TestUnit('placing', { byPlace })
  const [whole, here, there, elsewhere] = ['whole', 'here', 'there', 'elsewhere'].map((id) => new ResourceSet(id))
  if (!whole || !here || !there || !elsewhere) throw new Error('no sets')
  graph.fill(whole, placing)
  graph.fillPart(here, whole, 'here')
  graph.fillPart(there, whole, 'there')
  graph.fillPart(elsewhere, whole, 'elsewhere')
  const blocked = () => [here, there, elsewhere].map((part) => graph.partBlockedBy(part)?.message)
  const boom = { unit: 'placing', object: '', message: 'boom' }
  expect(blocked()).toEqual([undefined, 'boom', 'boom'])
  expect(graph.problems()).toEqual([boom])

  placing.output = { byPlace: (place) => (place === 'elsewhere' ? byPlace(place) : [resource('mended')]) }
  graph.update(touched)
  expect(blocked()).toEqual([undefined, undefined, 'boom'])
  expect(graph.problems()).toEqual([boom])
  graph.dropPart(whole, 'elsewhere')
  expect(graph.problems()).toEqual([])

  // It has given something there by now.
  placing.output = { byPlace }
  graph.update(touched)
  expect(namesIn(there)).toEqual(['mended'])
  expect(blocked()).toEqual([undefined, undefined, undefined])
  expect(graph.problems()).toEqual([boom])
  placing.output = {}
  graph.update(touched)
  expect(graph.problems()).toEqual([])
})
