import { hostname } from 'node:os'
import { EchoApp } from '#test/harness/echo-app.ts'

const app = await EchoApp.start(process.env['APP'] ?? hostname(), Number(process.env['PORT'] ?? 8080), '0.0.0.0')
// As a container's first process it has to ask for the signal: nothing else ends it.
process.once('SIGTERM', () => {
  void app.stop().then(() => process.exit(0))
})
