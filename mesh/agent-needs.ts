import type { ConfigObject } from './config-object.ts'
import { isFields } from './is-fields.ts'
import type { UplinkCapability } from './uplink.ts'

/** What an agent has to know to do what an object says. */
export interface AgentNeed {
  readonly capability: UplinkCapability
  /** What is not done where it does not, for a person. */
  readonly lost: string
}

/** Kinds that came after the first version, in which an agent leaves out what it does not know, and by which capability it says that it knows them. A new kind has its line here. */
const kindCapabilities: ReadonlyMap<string, UplinkCapability> = new Map([
  ['PeerAuthentication', 'policies'],
  ['RequestAuthentication', 'policies'],
  ['AuthorizationPolicy', 'policies'],
  ['RateLimit', 'policies'],
  ['ProxyExtension', 'policies'],
  ['ClientAuthentication', 'policies'],
  ['WasmPlugin', 'policies'],
])

/** What an agent has to know beyond the first version of the uplink, the whole object before parts of it. */
export const findAgentNeeds = ({ kind, spec }: Pick<ConfigObject, 'kind' | 'spec'>): readonly AgentNeed[] => {
  const ofKind = kindCapabilities.get(kind)
  return [
    ...(ofKind === undefined ? [] : [{ capability: ofKind, lost: 'it does nothing' }]),
    ...(kind === 'RateLimit' && hasMeshLimits(spec)
      ? [{ capability: 'leases' as const, lost: "limits of the scope MESH don't hold" }]
      : []),
  ]
}

const hasMeshLimits = ({ limits }: ConfigObject['spec']): boolean => Array.isArray(limits) && limits.some(hasMeshScope)

/** Whether a limit of a RateLimit counts over the mesh. */
export const hasMeshScope = (limit: unknown): boolean => isFields(limit) && limit['scope'] === 'MESH'
