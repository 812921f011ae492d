import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { createRootRequest, getRootRequest, removeRootRequest } from '#api/routes/trust.ts'
import type { RootRequest } from '#api/schemas/trust.ts'
import type { CliContext } from '../cli-context.ts'
import { confirmByName } from '../confirm.ts'
import { addExamples } from '../examples.ts'
import { toFields } from '../output/table.ts'

export const defineTrustRequest = (group: Command, context: CliContext): void => {
  const request = group
    .command('request')
    .description('The request for a root that an offline root of yours signs. Its key never leaves the plane.')
    .helpCommand(false)
  addExamples(
    request
      .command('create')
      .description('Make a key for the root, and the request for its certificate.')
      .option('--out <file>', 'where the request goes; else it is printed')
      .action((options: { readonly out?: string }) => create(context, options.out)),
    [['atoll trust request create --out mesh.csr', 'docs/trust.md: sign it, then "atoll trust rotate --chain"']],
  )
  addExamples(
    request
      .command('show')
      .description('Show the request that waits.')
      .action(() => show(context)),
    [['atoll trust request show', 'exits with 5 when none waits']],
  )
  addExamples(
    request
      .command('remove')
      .description('Destroy the key that waits: what is signed for it later is of no use.')
      .option('--yes', 'do not ask')
      .action((options: { readonly yes?: true }) => remove(context, options)),
    [['atoll trust request remove', 'to make another']],
  )
}

const create = async (context: CliContext, file: string | undefined): Promise<void> => {
  const params = { mesh: await context.mesh() }
  const request = await context.client().call(createRootRequest, { params })
  if (file !== undefined) {
    writeFileSync(file, `${request.csrPem.trim()}\n`)
    context.note(`The request is in ${file}. Have it signed, then: atoll trust rotate --chain CHAIN`)
  }
  await print(context, request)
}

const show = async (context: CliContext): Promise<void> =>
  print(context, await context.client().call(getRootRequest, { params: { mesh: await context.mesh() } }))

const print = (context: CliContext, request: RootRequest): Promise<void> =>
  context.print({
    value: request,
    names: [request.createdAt],
    table: () =>
      [
        toFields([
          ['Key', request.key],
          ['Made', request.createdAt],
        ]),
        request.csrPem.trim(),
      ].join('\n'),
  })

const remove = async (context: CliContext, options: { readonly yes?: true }): Promise<void> => {
  const mesh = await context.mesh()
  await confirmByName(context, mesh, 'The key that waits for a certificate will be gone', options)
  await context.client().call(removeRootRequest, { params: { mesh } })
  await context.print({ value: { mesh, removed: true }, names: [mesh], table: () => 'No request for a root waits' })
}
