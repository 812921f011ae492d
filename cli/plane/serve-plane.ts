import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { toErrorMessage } from '#mesh/error-message.ts'
import { parseKmsSettings } from '#mesh/kms-settings.ts'
import { attemptRead } from '../attempt-read.ts'
import { isLoopback } from '../cli-context.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { findProgramFiles } from '../program-files.ts'
import { NewerDatabaseError } from './apply-migrations.ts'
import type { HostOrder } from './host-protocol.ts'
import { PlaneDirectory } from './plane-directory.ts'
import { refuseBusyPort } from './refuse-busy-port.ts'
import { supervise } from './supervise.ts'

export interface ServeOptions {
  readonly data: string
  readonly host: string
  readonly port: number
  /** Files in PEM; both or neither. */
  readonly tlsCertificate?: string
  readonly tlsKey?: string
  /** File: what the plane is told of a KMS. */
  readonly kms?: string
}

/** Serves a plane from this machine until it is told to stop. */
export const servePlane = async (context: CliContext, options: ServeOptions): Promise<void> => {
  const { data, host, port } = options
  const tls = readTls(options)
  const kms = readKms(options)
  const directory = new PlaneDirectory(resolve(data))
  await refuseBusyPort({ host, port })
  directory.lock()
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  let announced = false
  try {
    const { secrets, newSetupToken } = directory.open()
    await supervise(
      { host, port, state: directory.state, ...(tls && { tls }), ...secrets, kms },
      {
        report: (report) => {
          if (report.type === 'runtime-restarted') return context.note('The runtime crashed and was started again')
          if (report.type === 'set-up') return directory.forgetSetupToken()
          if (report.type !== 'ready') return
          if (report.setUp) directory.forgetSetupToken()
          if (announced) return context.note(`The plane answers again at ${report.url}`)
          announced = true
          void announce(context, report, directory, newSetupToken)
        },
        restarting: (reason, delayMs) =>
          context.note(`The plane's host is down: ${reason}. It is started again in ${delayMs} ms`),
      },
      stop.signal,
    )
  } catch (error) {
    if (!(error instanceof NewerDatabaseError)) throw error
    const { version } = findProgramFiles()
    throw new CliError('conflict', `${directory.path} can't be served by version ${version}: ${error.message}`, {
      remedy: 'Serve it with the newer version (docs/upgrade.md). Nothing was changed.',
      cause: error,
    })
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    directory.unlock()
  }
  context.note('The plane has stopped')
}

const readFile = (path: string): string => attemptRead(path, () => readFileSync(path, 'utf8'))

/** Throws a CliError that names what is missing or wrong. */
const readTls = ({ tlsCertificate, tlsKey }: ServeOptions): HostOrder['tls'] => {
  if (tlsCertificate === undefined && tlsKey === undefined) return undefined
  if (tlsCertificate === undefined || tlsKey === undefined)
    throw new CliError('usage', 'TLS needs both: --tls-certificate and --tls-key')
  const tls = { certificates: readFile(tlsCertificate), key: readFile(tlsKey) }
  try {
    createSecureContext({ cert: tls.certificates, key: tls.key })
  } catch (error) {
    const reason = toErrorMessage(error)
    throw new CliError('usage', `${tlsCertificate} and ${tlsKey} are not a certificate and its key in PEM: ${reason}`)
  }
  return tls
}

/** Throws a CliError that names what is wrong, and repeats nothing of it. */
const readKms = ({ kms }: ServeOptions): string | undefined => {
  if (kms === undefined) return undefined
  const text = readFile(kms)
  const parsed = parseKmsSettings(text)
  if (!parsed.ok)
    throw new CliError('usage', `${kms} is not what the plane has to be told of a KMS: ${parsed.error}`, {
      remedy: 'docs/trust.md says what is in it.',
    })
  return text
}

const announce = async (
  context: CliContext,
  { url, setUp }: { readonly url: string; readonly setUp: boolean },
  directory: PlaneDirectory,
  newSetupToken: string | undefined,
): Promise<void> => {
  await context.print({
    value: { url, data: directory.path },
    names: [url],
    table: () => `The plane is ready at ${url}`,
  })
  if (!isLoopback(url) && !url.startsWith('https:'))
    context.note('It speaks plain HTTP: let only a proxy that adds TLS reach it')
  if (setUp) return
  if (!existsSync(directory.setupTokenFile)) {
    context.note(
      'Its org was deleted: set it up again with the set-up token that it had, or serve another, empty folder',
    )
    return
  }
  context.note(
    `Set it up with\n  ${findProgramFiles().run(`atoll login --url ${url} --setup-token-stdin --org NAME`)} < ${directory.setupTokenFile}`,
  )
  // Once, and on a terminal only: logs are read by others.
  if (newSetupToken !== undefined && context.io.stderr.isTTY === true)
    context.note(`Its set-up token: ${newSetupToken}`)
}
