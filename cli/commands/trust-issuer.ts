import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { addIssuer, getTrust, removeIssuer } from '#api/routes/trust.ts'
import type { ExternalIssuer, Trust } from '#api/schemas/trust.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { confirmByName } from '../confirm.ts'
import { toRoughDuration } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { toListView } from '../output/list-view.ts'
import { toFields } from '../output/table.ts'

interface AddOptions {
  readonly cluster: string[]
  readonly csr: string
  readonly out: string
}

export const defineTrustIssuer = (group: Command, context: CliContext): void => {
  const issuer = group
    .command('issuer')
    .description("CAs of others that the mesh's root has signed, such as istiod's.")
    .helpCommand(false)
  addExamples(
    issuer
      .command('add')
      .argument('<name>', 'what it is called here')
      .description("Sign somebody else's CA for a year at most, and trust its leaves in the clusters named.")
      .requiredOption('--cluster <names...>', 'where its workloads live; nowhere else is it trusted')
      .requiredOption('--csr <file>', 'certificate request; the key stays with you')
      .requiredOption(
        '--out <folder>',
        "where ca-cert.pem, cert-chain.pem and root-cert.pem go, as Istio's Secret cacerts wants them",
      )
      .action((name: string, options: AddOptions) => add(context, name, options)),
    [['atoll trust issuer add istio --cluster east --csr istio-ca.csr --out cacerts', 'docs/migrate-from-istio.md']],
  )
  addExamples(
    issuer
      .command('list')
      .description('List the external issuers.')
      .action(() => list(context)),
    [['atoll trust issuer list', 'and until when they are trusted']],
  )
  addExamples(
    issuer
      .command('show')
      .argument('<name>', 'the issuer')
      .description('Show an external issuer and its certificate.')
      .action((name: string) => show(context, name)),
    [['atoll trust issuer show istio', 'and in which clusters it is trusted']],
  )
  addExamples(
    issuer
      .command('remove')
      .argument('<name>', 'the issuer')
      .description('Trust its leaves no more: what they have open is closed.')
      .option('--yes', 'do not ask')
      .action((name: string, options: { readonly yes?: true }) => remove(context, name, options)),
    [['atoll trust issuer remove istio', 'when Istio is gone']],
  )
}

const fetchTrust = async (context: CliContext): Promise<Trust> =>
  context.client().call(getTrust, { params: { mesh: await context.mesh() } })

const add = async (context: CliContext, name: string, { cluster, csr, out }: AddOptions): Promise<void> => {
  const csrPem = readRequest(csr)
  mkdirSync(out, { recursive: true })
  const params = { mesh: await context.mesh() }
  const issuer = await context.client().call(addIssuer, {
    params,
    json: { name, clusters: cluster, csrPem },
  })
  const roots = (await fetchTrust(context)).roots.map(({ pem }) => `${pem.trim()}\n`).join('')
  const certificate = `${issuer.pem.trim()}\n`
  const files = { 'ca-cert.pem': certificate, 'cert-chain.pem': certificate + roots, 'root-cert.pem': roots }
  for (const [file, content] of Object.entries(files)) writeFileSync(join(out, file), content)
  await context.print({
    value: issuer,
    names: [issuer.name],
    table: () => `${describe(issuer, context.io.now())}\nWrote ${Object.keys(files).join(', ')} to ${out}.`,
  })
}

const readRequest = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CliError('usage', `The certificate request ${file} can't be read`, { cause: error })
  }
}

const list = async (context: CliContext): Promise<void> => {
  const { issuers } = await fetchTrust(context)
  await context.print(
    toListView(issuers, {
      headings: ['NAME', 'CLUSTERS', 'UNTIL', 'LEFT', 'SHA-256'],
      row: ({ name, clusters, notAfter, fingerprint }) => [
        name,
        clusters.join(', '),
        notAfter,
        toRoughDuration(Date.parse(notAfter) - context.io.now()),
        fingerprint,
      ],
      name: ({ name }) => name,
      empty: 'There are no external issuers.',
    }),
  )
}

const show = async (context: CliContext, name: string): Promise<void> => {
  const issuer = (await fetchTrust(context)).issuers.find((each) => each.name === name)
  if (!issuer)
    throw new CliError('notFound', `There is no issuer ${name}`, { remedy: 'See "atoll trust issuer list".' })
  await context.print({
    value: issuer,
    names: [issuer.name],
    table: () => `${describe(issuer, context.io.now())}\n${issuer.pem.trim()}`,
  })
}

const describe = ({ name, clusters, notAfter, fingerprint }: ExternalIssuer, now: number): string =>
  toFields([
    ['Issuer', name],
    ['Trusted in', clusters.join(', ')],
    ['Until', `${notAfter} (${toRoughDuration(Date.parse(notAfter) - now)})`],
    ['SHA-256', fingerprint],
  ])

const remove = async (context: CliContext, name: string, options: { readonly yes?: true }): Promise<void> => {
  const mesh = await context.mesh()
  await confirmByName(context, name, `Workloads with a certificate of ${name} are cut off from those of Atoll`, options)
  await context.client().call(removeIssuer, { params: { mesh, issuer: name } })
  await context.print({
    value: { name, removed: true },
    names: [name],
    table: () => `The issuer ${name} is trusted nowhere now`,
  })
}
