import type { AuditChange } from '#api/schemas/audit.ts'
import type { UpdateMeshBody } from '#api/schemas/meshes.ts'
import { toCanonicalJson } from '#mesh/canonical-json.ts'
import { examineMeshConfig } from '#mesh/config/examine-mesh-config.ts'
import { withChangedFields } from '#mesh/config/mesh-config.ts'
import { withoutCredentials } from '#mesh/config/without-credentials.ts'
import { hasErrors } from '#mesh/problem.ts'
import { ok } from '#mesh/result.ts'
import { meshSettings, withOlderFields } from '#mesh/settings.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import { stateKeys } from '#mesh/state.ts'
import { writeAudit } from './audit.ts'
import type { Initiator } from './audit.ts'
import type { MeshContext } from './context.ts'
import { readMeshRow } from './mesh-row.ts'
import { announce } from './outbox.ts'
import { refuse, type Outcome } from './refusal.ts'
import { writeState } from './state-log.ts'
import { tellOfRetention } from './telemetry-news.ts'

/** Stores the settings of the mesh and tells its agents. */
export const writeSettings = (sql: SqlStorage, settings: MeshSettings): void => {
  sql.exec('UPDATE mesh SET settings = ?', JSON.stringify(settings))
  const item = { kind: 'settings', value: withOlderFields(settings) } as const
  writeState(sql, [{ key: stateKeys.settings(), item, audience: { to: 'all' } }])
}

/** Each setting that is another one now, Istio's own ones one by one. Of credentials it is seen that they changed, and not to what. */
const toSettingChanges = (before: MeshSettings, after: MeshSettings): AuditChange[] => {
  const fieldsOf = ({ meshConfig, ...settings }: MeshSettings): Map<string, unknown> =>
    new Map([
      ...Object.entries(settings),
      ...Object.entries(meshConfig).map(([name, value]) => [`meshConfig.${name}`, value] as const),
    ])
  const shownOf = (settings: MeshSettings) =>
    fieldsOf({ ...settings, meshConfig: withoutCredentials(settings.meshConfig) })
  const [old, now, oldShown, nowShown] = [fieldsOf(before), fieldsOf(after), shownOf(before), shownOf(after)]
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((name) => toCanonicalJson(old.get(name)) !== toCanonicalJson(now.get(name)))
    .map((what) => ({ what, before: toValue(oldShown.get(what)), after: toValue(nowShown.get(what)) }))
}

const toValue = (value: unknown): AuditChange['before'] => {
  if (value === undefined || value === null) return null
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : JSON.stringify(value)
}

/** Refused when what was right for the settings as the caller saw them is not right for those that are there by now. */
export const updateSettings = (context: MeshContext, changes: UpdateMeshBody, initiator: Initiator): Outcome<null> => {
  const before = readMeshRow(context.sql).settings
  const meshConfig = withChangedFields(before.meshConfig, changes.meshConfig)
  const problems = examineMeshConfig(meshConfig, { name: before.meshName, trustDomain: before.trustDomain })
  if (hasErrors(problems))
    return refuse('conflict', 'somebody else has changed the settings meanwhile: look at them, and try again')
  const keys = changes.keys === undefined ? before.keys : { ...before.keys, ...changes.keys }
  const settings = meshSettings.parse({ ...before, ...changes, keys, meshConfig })
  writeSettings(context.sql, settings)
  if (changes.logRetentionDays !== undefined || changes.traceRetentionDays !== undefined) tellOfRetention(context)
  announce(context, 'mesh')
  const changed = [...Object.keys(changes), ...Object.keys(changes.meshConfig ?? {})].join(' ')
  writeAudit(context, initiator, {
    action: 'mesh.update',
    target: settings.meshName,
    detail: { changed },
    changes: toSettingChanges(before, settings),
  })
  return ok(null)
}
