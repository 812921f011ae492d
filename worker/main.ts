import 'reflect-metadata'
import { createApp } from './app.ts'
import './env.ts'
import { exportMeshes } from './export-meshes.ts'

export { Mesh } from './mesh/mesh.ts'
export { TelemetryStore } from './telemetry/store.ts'

const app = createApp()

export default {
  fetch: app.fetch,
  scheduled: ({ scheduledTime }, env) => exportMeshes(env, new Date(scheduledTime).toISOString().slice(0, 10)),
} satisfies ExportedHandler<Cloudflare.Env>
