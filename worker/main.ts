import 'reflect-metadata'
import './env.ts'

export { Mesh } from './mesh/mesh.ts'

export default {
  fetch: () => new Response(null, { status: 404 }),
} satisfies ExportedHandler<Cloudflare.Env>
