import type { ReporterElection } from '#agent/uplink/reporter-election.ts'
import { catalogEntry } from '#mesh/service.ts'
import type { PlaneMessage } from '#mesh/uplink.ts'
import { catalogEntryOf, configChange } from '../state-items.ts'
import { ScriptedUplink } from './scripted-uplink.ts'

export const snapshot = (sequence: number, ...items: ReturnType<typeof configChange>[]): PlaneMessage => ({
  type: 'changes',
  mode: 'snapshot',
  position: { epoch: 'e1', sequence },
  revision: sequence,
  items,
  more: false,
})

export const delta = (sequence: number, more: boolean, ...items: ReturnType<typeof configChange>[]): PlaneMessage => ({
  type: 'changes',
  mode: 'delta',
  position: { epoch: 'e1', sequence },
  revision: sequence,
  items,
  more,
})

/** In step with a plane that has one object. */
export const liveUplink = (election?: ReporterElection): ScriptedUplink => {
  const scripted = new ScriptedUplink(election)
  scripted.greet()
  scripted.say(snapshot(1, configChange('a')))
  scripted.heard()
  return scripted
}

export const entry = (name: string, endpoints: number) => catalogEntry.parse(catalogEntryOf('east', name, endpoints))
