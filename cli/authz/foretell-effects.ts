import { listConfiguration } from '#api/routes/configuration.ts'
import { getMesh } from '#api/routes/meshes.ts'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import { meshSettings } from '#mesh/settings.ts'
import { foretoldKinds, proposeMesh, toNamespaces, toProposal, type Proposal } from '#xds/foretell/proposal.ts'
import type { CliContext } from '../cli-context.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { collect } from '../output/list-view.ts'
import { readCalled } from './read-called.ts'
import { sampleCalls } from './sample-calls.ts'
import { sumEffects, type ChangedCalls, type OpenCalls } from './sum-effects.ts'

/** What proposed policies would make of calls that were seen of late. */
export interface Effects {
  /** How far back calls were looked for. */
  readonly seconds: number
  /** The namespaces that the policies can be for; null = all. */
  readonly namespaces: readonly string[] | null
  /** Requests and connections that were looked at, those that there were (about; null = not known), and whether these are all. */
  readonly looked: number
  readonly total: number | null
  readonly isAll: boolean
  /** Callers of whom nothing was looked at, as there are too many. */
  readonly leftOut: number
  /** Clusters whose records are missing. */
  readonly unavailable: readonly string[]
  /** Workloads and gateways that were called and that the policies change something for, and those that could not be asked. */
  readonly called: number
  readonly unread: readonly string[]
  readonly changed: readonly ChangedCalls[]
  readonly notKnown: readonly OpenCalls[]
}

/** Undefined: nothing of it says who may call. What can't be foretold, as records or proxies may not be read, keeps nobody from the rest. */
export const tryToForetell = async (
  context: CliContext,
  mesh: string,
  written: Proposal,
  seconds: number,
): Promise<Effects | undefined> => {
  const proposal = toProposal(written)
  if (!proposal) return undefined
  try {
    return await foretellEffects(context, mesh, proposal, seconds)
  } catch (error) {
    context.note(`What becomes of calls is not known: ${toErrorMessage(error)}`)
    return undefined
  }
}

const foretellEffects = async (
  context: CliContext,
  mesh: string,
  proposal: Proposal,
  seconds: number,
): Promise<Effects> => {
  const client = context.client()
  const params = { mesh }
  const [{ settings: shown }, ...lists] = await Promise.all([
    client.call(getMesh, { params }),
    ...foretoldKinds.map((kind) => collect(client.list(listConfiguration, { params, query: { kind } }))),
  ])
  const settings = meshSettings.parse(shown)
  const namespaces = toNamespaces(proposal, readMeshConfig(settings.meshConfig).rootNamespace)
  const { records, ...sampled } = await sampleCalls(context, mesh, { seconds, namespaces })
  const all = await readCalled(context, mesh, records)
  const { foretellEffect } = await import('#xds/foretell/foretell-effect.ts')
  const present = lists.flat().map(({ object }) => object)
  const proposed = proposeMesh(settings, present, proposal)
  let called = 0
  const foretold = all.flatMap(({ name, records: own, proxy }) => {
    const foretell = proxy && foretellEffect(proposed, proxy)
    if (!foretell) return []
    called++
    return own.map((record) => ({ called: name, record, effect: foretell(record) }))
  })
  return {
    seconds,
    namespaces: namespaces ?? null,
    looked: records.length,
    ...sampled,
    called,
    unread: all.filter(({ proxy }) => !proxy).map(({ name }) => name),
    ...sumEffects(foretold),
  }
}
