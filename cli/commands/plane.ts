import type { Command } from 'commander'
import { getKeyEncryption } from '#api/routes/plane.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import { parsePort } from '../number-option.ts'
import { toFields } from '../output/table.ts'
import type { ServeOptions } from '../plane/serve-plane.ts'

const DATA_FOLDER = './atoll-plane'

/** What these need (a runtime, SQLite) is loaded when one of them is run. */
export const definePlane = (group: Command, context: CliContext): void => {
  addExamples(
    group
      .command('serve')
      .description('Serve a control plane from this machine until Ctrl-C.')
      .option('--data <folder>', 'where it keeps everything', DATA_FOLDER)
      .option('--host <address>', 'address to listen on', '127.0.0.1')
      .option('--port <number>', 'port to listen on', parsePort, 8787)
      .option('--tls-certificate <file>', 'serve HTTPS with this chain (PEM); read at the start')
      .option('--tls-key <file>', 'its key (PEM)')
      .option('--kms <file>', 'a KMS that keeps keys of roots (docs/trust.md); read at the start')
      .action(async (options: ServeOptions) => {
        const { servePlane } = await import('../plane/serve-plane.ts')
        await servePlane(context, options)
      }),
    [
      ['atoll plane serve', `with its data in ${DATA_FOLDER}`],
      ['atoll plane serve --data /var/lib/atoll --port 8787 -o json', 'the ready line as JSON'],
      [
        'atoll plane serve --host 0.0.0.0 --port 443 --tls-certificate plane.pem --tls-key plane-key.pem',
        'for agents on other machines',
      ],
    ],
  )
  group.command('host', { hidden: true }).action(async () => {
    const { runHost } = await import('../plane/host.ts')
    await runHost()
  })
  addExamples(
    group
      .command('backup')
      .description(
        'Copy a plane, running or stopped, into one file. The file holds its keys: keep it as safe as the plane.',
      )
      .option('--data <folder>', 'of the plane', DATA_FOLDER)
      .requiredOption('--out <file>', 'the archive to write; must not exist')
      .action((options: { readonly data: string; readonly out: string }) => backUp(context, options)),
    [['atoll plane backup --out plane-2026-11-21.tar', 'while it runs']],
  )
  addExamples(
    group
      .command('restore')
      .description(
        'Unpack a backup into an empty folder, for "atoll plane serve". Agents will notice that history was rewound.',
      )
      .argument('<file>', 'an archive of "atoll plane backup"')
      .option('--data <folder>', 'to restore to', DATA_FOLDER)
      .action((file: string, options: { readonly data: string }) => restore(context, file, options.data)),
    [['atoll plane restore plane-2026-11-21.tar --data ./restored', 'then: atoll plane serve --data ./restored']],
  )
  addExamples(
    group
      .command('status')
      .description("Show with which key-encryption key the private keys of the org's meshes are sealed.")
      .action(() => status(context)),
    [['atoll plane status', 'how far a replacement of that key is']],
  )
  addExamples(
    group
      .command('rotate-key')
      .description(
        'Put a new key-encryption key in the place of the old one, for a plane of "atoll plane serve" that is stopped.',
      )
      .option('--data <folder>', 'of the plane', DATA_FOLDER)
      .option('--forget-previous', 'instead: the one before is not needed any more')
      .action((options: { readonly data: string; readonly forgetPrevious?: true }) => rotateKey(context, options)),
    [
      ['atoll plane rotate-key', 'then serve it again'],
      ['atoll plane rotate-key --forget-previous', 'when "atoll plane status" says so'],
    ],
  )
}

const status = async (context: CliContext): Promise<void> => {
  const found = await context.client().call(getKeyEncryption, {})
  const { current, previous, keys, pending, meshes, signIn } = found
  await context.print({
    value: found,
    names: meshes.filter((each) => each.pending > 0).map(({ mesh }) => mesh),
    table: () =>
      [
        toFields([
          ['Key-encryption key', current],
          ['Previous one', previous ?? 'none'],
          ['Sealed keys', `${keys}, of which ${pending} are not sealed with ${current} yet`],
        ]),
        ...meshes.filter((each) => each.pending > 0).map((each) => `  mesh ${each.mesh}: ${each.pending}`),
        ...(signIn && signIn.pending > 0 ? ['  client secret of the identity provider: 1'] : []),
        ...(previous !== null && pending === 0 ? ['The previous key is not needed by this org any more'] : []),
      ].join('\n'),
  })
}

const rotateKey = async (
  context: CliContext,
  { data, forgetPrevious }: { readonly data: string; readonly forgetPrevious?: true },
): Promise<void> => {
  const { PlaneDirectory } = await import('../plane/plane-directory.ts')
  const directory = new PlaneDirectory(data)
  if (directory.lockHolder() !== undefined)
    throw new CliError('conflict', `${data} is being served`, {
      remedy: 'Stop the plane, do this, and serve it again: agents go on meanwhile.',
    })
  if (forgetPrevious) directory.forgetPreviousKey()
  else directory.rotateKeyEncryptionKey()
  await context.print({
    value: { data, rotated: forgetPrevious !== true },
    names: [data],
    table: () =>
      forgetPrevious
        ? 'The previous key is forgotten'
        : 'There is a new key-encryption key. Serve the plane, and wait until "atoll plane status" says that all is sealed with it',
  })
}

const backUp = async (
  context: CliContext,
  { data, out }: { readonly data: string; readonly out: string },
): Promise<void> => {
  const { backupPlane } = await import('../plane/backup-plane.ts')
  const files = await backupPlane(data, out, context.io.now())
  await context.print({
    value: { file: out, files },
    names: [out],
    table: () => `${files} files of ${data} are in ${out}`,
  })
}

const restore = async (context: CliContext, file: string, data: string): Promise<void> => {
  const { restorePlane } = await import('../plane/restore-plane.ts')
  const { createdAt, atollVersion } = await restorePlane(file, data)
  await context.print({
    value: { data, createdAt, atollVersion },
    names: [data],
    table: () =>
      `The plane of ${createdAt} (version ${atollVersion}) is in ${data}. Agents will hold what would take things away until it is confirmed.`,
  })
}
