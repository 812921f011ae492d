import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import {
  continueRotation,
  getRotation,
  pauseRotation,
  resumeRotation,
  rollBackRotation,
  startRotation,
} from '#api/routes/trust.ts'
import type { OwnRoot, Rotation } from '#api/schemas/trust.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { clusterName } from '#mesh/names.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { confirmByName } from '../confirm.ts'
import { durationOption } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { Progress } from '../output/progress.ts'
import { toRotationSentence, toRotationText } from '../trust/rotation-text.ts'

interface RotateOptions {
  readonly wait?: true
  readonly timeout: number
  readonly offlineGrace: number
  readonly chain?: string
  readonly key?: string
}

interface ContinueOptions {
  readonly without: string
  readonly yes?: true
}

const LOOK_MS = 2_000
const DAY_SECONDS = 24 * 60 * 60

export const defineTrustRotation = (group: Command, context: CliContext): void => {
  addExamples(
    group
      .command('rotate')
      .description(
        'Make a new root, and bring all clusters to it step by step: each when all agents say that the one before is done.',
      )
      .option('--wait', 'wait until it is done')
      .addOption(durationOption('--timeout <duration>', 'how long to wait', '1h'))
      .addOption(
        durationOption(
          '--offline-grace <duration>',
          'how long a cluster that is away is waited for before it may be left behind',
          '7d',
          {
            most: '90d',
          },
        ),
      )
      .option(
        '--chain <file>',
        'a CA of yours in the place of a new root: its certificate, and those above it up to the one that has signed itself, PEM',
      )
      .option('--key <file>', "its private key, PEM; without it the CA is for the plane's request")
      .action((options: RotateOptions) => rotate(context, options)),
    [
      ['atoll trust rotate --wait', 'docs/runbooks/rotate-the-root.md'],
      ['atoll trust rotate --offline-grace 14d', 'and look after it with "atoll trust rotation show"'],
      ['atoll trust rotate --chain chain.pem --key mesh-ca.key', 'a CA of yours, below your own root'],
      ['atoll trust rotate --chain chain.pem', 'what your root has signed of "atoll trust request create"'],
    ],
  )
  const rotation = group
    .command('rotation')
    .description('The rotation of the root that is under way, or that was last.')
    .helpCommand(false)
  addExamples(
    rotation
      .command('show')
      .description('Show its step, and whom it waits for since when.')
      .action(() => show(context)),
    [['atoll trust rotation show', 'exits with 5 when there was none']],
  )
  addExamples(
    rotation
      .command('pause')
      .description('Begin no further step. All that is trusted stays so.')
      .action(() => change(context, pauseRotation)),
    [['atoll trust rotation pause', 'for as long as you like']],
  )
  addExamples(
    rotation
      .command('resume')
      .description('Go on with a rotation that was paused.')
      .action(() => change(context, resumeRotation)),
    [['atoll trust rotation resume', '']],
  )
  addExamples(
    rotation
      .command('rollback')
      .description('Go back to the root of before, by the same steps.')
      .action(() => change(context, rollBackRotation)),
    [['atoll trust rotation rollback', 'at any time before it is done']],
  )
  addExamples(
    rotation
      .command('continue')
      .description('Wait no more for a cluster that has been away for longer than its grace.')
      .requiredOption('--without <cluster>', 'the cluster that is left behind', parseCluster)
      .option('--yes', 'do not ask')
      .action((options: ContinueOptions) => goOn(context, options)),
    [
      [
        'atoll trust rotation continue --without west',
        'others go on trusting it; it can not believe their new certificates before it is back',
      ],
    ],
  )
}

const parseCluster = (text: string): string => {
  const name = clusterName.safeParse(text)
  if (!name.success) throw new InvalidArgumentError('It is no name of a cluster.')
  return name.data
}

const print = (context: CliContext, rotation: Rotation): Promise<void> =>
  context.print({ value: rotation, names: [rotation.to], table: () => toRotationText(rotation, context.io.now()) })

const show = async (context: CliContext): Promise<void> =>
  print(context, await context.client().call(getRotation, { params: { mesh: await context.mesh() } }))

const change = async (
  context: CliContext,
  route: typeof pauseRotation | typeof resumeRotation | typeof rollBackRotation,
): Promise<void> => print(context, await context.client().call(route, { params: { mesh: await context.mesh() } }))

const rotate = async (context: CliContext, options: RotateOptions): Promise<void> => {
  const { wait, timeout, offlineGrace } = options
  const root = readOwnRoot(options)
  const params = { mesh: await context.mesh() }
  const json = { offlineGraceDays: offlineGrace / DAY_SECONDS, ...(root && { root }) }
  const begun = await context.client().call(startRotation, { params, json })
  const rotation = wait ? await waitForEnd(context, begun, timeout) : begun
  await print(context, rotation)
  if (!wait) return
  if (rotation.endedAt === null)
    throw new CliError('notInSync', 'The rotation is not done', {
      remedy: `It was waited for at most ${timeout} s, and goes on: see "atoll trust rotation show".`,
    })
  if (rotation.direction !== 'forward') throw new CliError('failed', 'The rotation was rolled back')
}

const readOwnRoot = ({ chain, key }: RotateOptions): OwnRoot | undefined => {
  if (chain === undefined && key !== undefined)
    throw new CliError('usage', 'A key comes with the certificate that it is for', { remedy: 'Add --chain FILE.' })
  if (chain === undefined) return undefined
  return { chainPem: readText(chain), ...(key !== undefined && { privateKeyPem: toPkcs8(readText(key), key) }) }
}

const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CliError('usage', `${file} can not be read: ${toErrorMessage(error)}`)
  }
}

/** As the plane wants it; openssl writes others too. */
const toPkcs8 = (pem: string, file: string): string => {
  try {
    return createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' }).toString()
  } catch {
    throw new CliError('usage', `${file} is not a private key in PEM without a password`, {
      remedy: `Take the password away: openssl pkey -in ${file} -out plain.key`,
    })
  }
}

const waitForEnd = async (context: CliContext, begun: Rotation, timeoutSeconds: number): Promise<Rotation> => {
  const { now, sleep, stderr } = context.io
  const params = { mesh: await context.mesh() }
  const progress = new Progress(stderr)
  const deadline = now() + timeoutSeconds * 1000
  let rotation = begun
  try {
    while (rotation.endedAt === null && now() < deadline) {
      progress.show(toRotationSentence(rotation))
      await sleep(LOOK_MS)
      rotation = await context.client().call(getRotation, { params })
    }
    return rotation
  } finally {
    progress.clear()
  }
}

const goOn = async (context: CliContext, { without, yes }: ContinueOptions): Promise<void> => {
  const params = { mesh: await context.mesh() }
  const consequence = `Until ${without} is back, its workloads do not believe the new certificates of the others, and calls between them fail`
  await confirmByName(context, without, consequence, { ...(yes && { yes }) })
  await print(
    context,
    await context.client().call(continueRotation, { params, json: { without: clusterName.parse(without) } }),
  )
}
