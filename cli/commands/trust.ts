import type { Command } from 'commander'
import { getTrust, listCertificates } from '#api/routes/trust.ts'
import type { Trust } from '#api/schemas/trust.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { toRoughDuration } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { collect, toListView } from '../output/list-view.ts'
import { toFields, toTable } from '../output/table.ts'
import { toRotationSentence } from '../trust/rotation-text.ts'
import { defineTrustIssuer } from './trust-issuer.ts'
import { defineTrustRequest } from './trust-request.ts'
import { defineTrustRotation } from './trust-rotation.ts'
import type { Finding } from '../trust/verify-trust.ts'

export const defineTrust = (group: Command, context: CliContext): void => {
  addExamples(
    group
      .command('show')
      .description('Show what the mesh trusts now.')
      .option('--roots', 'only the root certificates, as PEM')
      .action((options: { readonly roots?: true }) => show(context, options.roots === true)),
    [
      ['atoll trust show', 'roots, intermediates and external issuers'],
      ['atoll trust show --roots > root.pem', 'for "openssl verify -CAfile root.pem"'],
    ],
  )
  addExamples(
    group
      .command('certificates')
      .description('List the certificates that the root has signed, newest first.')
      .option('--cluster <name>', 'only of this cluster')
      .action((options: { readonly cluster?: string }) => certificates(context, options.cluster)),
    [['atoll trust certificates --cluster east', 'current and superseded']],
  )
  addExamples(
    group
      .command('verify')
      .description('Check each intermediate and issuer: signed by a root, within its time, bound to its names.')
      .action(() => verify(context)),
    [['atoll trust verify', 'exits with 1 when something is wrong']],
  )
  defineTrustRotation(group, context)
  defineTrustRequest(group, context)
  defineTrustIssuer(group, context)
}

const fetchTrust = async (context: CliContext): Promise<Trust> =>
  context.client().call(getTrust, { params: { mesh: await context.mesh() } })

const show = async (context: CliContext, rootsOnly: boolean): Promise<void> => {
  const trust = await fetchTrust(context)
  if (rootsOnly) {
    const pems = trust.roots.map(({ pem }) => pem.trim())
    return context.print({
      value: pems,
      names: trust.roots.map(({ fingerprint }) => fingerprint),
      table: () => pems.join('\n'),
    })
  }
  for (const { message } of trust.expiring) context.note(`${context.paintNotes('yellow', 'warning')} ${message}`)
  const left = (end: string) => toRoughDuration(Date.parse(end) - context.io.now())
  const rows = [
    ...trust.roots.map((root) => ['root', '', root.notAfter, left(root.notAfter), root.fingerprint]),
    ...trust.intermediates.map((one) => [
      'intermediate',
      one.cluster,
      one.notAfter,
      left(one.notAfter),
      one.fingerprint,
    ]),
    ...trust.issuers.map(({ clusters, notAfter, fingerprint }) => [
      'issuer',
      clusters.join(', '),
      notAfter,
      left(notAfter),
      fingerprint,
    ]),
  ]
  await context.print({
    value: trust,
    names: [...trust.roots, ...trust.intermediates, ...trust.issuers].map(({ fingerprint }) => fingerprint),
    table: () =>
      [
        toFields([
          ['Trust domain', trust.trustDomain],
          ['Epoch', String(trust.epoch)],
          ...toRotationFields(trust),
          ...toRequestFields(trust),
        ]),
        toTable(['KIND', 'CLUSTER', 'UNTIL', 'LEFT', 'SHA-256'], rows),
      ].join('\n'),
  })
}

/** The rotation that is under way, or when the plane begins one by itself. */
const toRotationFields = ({ rotation, roots }: Trust): (readonly [string, string])[] => {
  if (rotation?.endedAt === null) return [['Rotation', toRotationSentence(rotation)]]
  const signing = roots.find((root) => root.signing)
  if (signing === undefined) return []
  if (signing.origin !== 'plane')
    return [['Rotation', `not by itself: the root was brought, and its successor is too, before ${signing.notAfter}`]]
  const { rotatesAt } = signing
  return rotatesAt === undefined ? [] : [['Rotation', `by itself at ${rotatesAt}; sooner by "atoll trust rotate"`]]
}

const toRequestFields = ({ rootRequest }: Trust): (readonly [string, string])[] =>
  rootRequest ? [['Request', `made ${rootRequest.createdAt}, waits to be signed: atoll trust request show`]] : []

const certificates = async (context: CliContext, cluster: string | undefined): Promise<void> => {
  const params = { mesh: await context.mesh() }
  const issued = await collect(context.client().list(listCertificates, { params, query: { cluster } }))
  await context.print(
    toListView(issued, {
      headings: ['SERIAL', 'KIND', 'CLUSTER', 'ISSUED', 'UNTIL', 'STATE'],
      row: (one, paint) => [
        one.serial,
        one.kind,
        one.cluster ?? '',
        one.issuedAt,
        one.notAfter,
        one.state === 'current' ? paint('green', one.state) : one.state,
      ],
      name: (one) => one.serial,
      empty: 'There are no certificates.',
    }),
  )
}

const verify = async (context: CliContext): Promise<void> => {
  const trust = await fetchTrust(context)
  const { verifyTrust } = await import('../trust/verify-trust.ts')
  const findings = await verifyTrust(trust, context.io.now())
  const isSound = ({ faults }: Finding) => faults.length === 0
  await context.print({
    value: { sound: findings.every(isSound), certificates: findings },
    names: findings.filter((finding) => !isSound(finding)).map((finding) => finding.fingerprint),
    table: (paint) =>
      toTable(
        ['CERTIFICATE', 'SHA-256', 'RESULT'],
        findings.map((finding) => [
          finding.what,
          finding.fingerprint,
          isSound(finding) ? paint('green', 'sound') : paint('red', finding.faults.join('; ')),
        ]),
      ),
  })
  if (!findings.every(isSound)) throw new CliError('failed', 'Not all certificates are sound')
}
