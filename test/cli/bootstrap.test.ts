import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runFake } from './fake-io.ts'

test('the command to start Envoy has the drain time that the agent counts on', async () => {
  const out = await mkdtemp(join(tmpdir(), 'atoll-bootstrap-'))
  const [token, root] = [join(out, 'token'), join(out, 'root.pem')]
  await writeFile(token, 'atoll_machine_0123456789abcdef_a-secret-that-is-long-enough')
  await writeFile(root, '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n')
  const where = ['--token-file', token, '--agent', '10.0.0.1:15010', '--cluster', 'east', '--out', out]
  const trust = ['--root', root, '--trust-domain', 'td.example']
  const { stdout } = await runFake(['bootstrap', ...where, ...trust, '--output', 'json'])
  expect(JSON.parse(stdout)).toMatchObject({ start: `envoy -c ${out}/envoy.yaml --drain-time-s 10` })
  await rm(out, { recursive: true })
})
