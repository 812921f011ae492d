import type { Command } from 'commander'
import { defaultRevision } from '#mesh/kubernetes/conventions.ts'
import { toOrigin } from '../cli-context.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import { checkCluster, isFailure, toFindingLines } from '../kubernetes/checks/check-cluster.ts'
import { readUpstreamDefinitions } from '../kubernetes/custom-resource-definitions.ts'
import { KubernetesApi } from '../kubernetes/kubernetes-api.ts'
import { planeCaDescription, planeCaFlags, readPlaneCa } from '../kubernetes/plane-ca-option.ts'
import { findProgramFiles } from '../program-files.ts'

interface CheckOptions {
  readonly context: string
  readonly cluster?: string
  readonly network?: string
  readonly plane?: string
  readonly planeCa?: string
  readonly revision: string
}

export const defineCheck = (command: Command, context: CliContext): void => {
  command
    .requiredOption('--context <name>', 'context of the kubeconfig')
    .option('--cluster <name>', 'the name that it is to join under')
    .option('--network <name>', 'the network that it is to be on: compares its pods with those of the clusters there')
    .option('--plane <url>', "the plane's URL as pods reach it; default: the one you use")
    .option(planeCaFlags, planeCaDescription)
    .option('--revision <name>', 'of the injector', defaultRevision)
    .action((options: CheckOptions) => check(context, options))
  addExamples(command, [
    ['atoll check --context east', 'changes nothing'],
    ['atoll check --context east --network flat', 'whether its pods fit into that network'],
  ])
}

const check = async (context: CliContext, options: CheckOptions): Promise<void> => {
  const { context: kubernetesContext, cluster, network, revision } = options
  const plane = options.plane === undefined ? context.connection().url : toOrigin(options.plane, '--plane')
  const planeCa = options.planeCa === undefined ? undefined : readPlaneCa(options.planeCa)
  const api = new KubernetesApi(await context.io.connectKubernetes(kubernetesContext))
  const definitions = readUpstreamDefinitions(findProgramFiles().crds)
  const findings = await checkCluster(context, api, { cluster, network, plane, planeCa, revision, definitions })
  const failures = findings.filter(isFailure)
  await context.print({
    value: { context: kubernetesContext, fit: failures.length === 0, findings },
    names: findings.flatMap((finding) => (finding.status === 'ok' ? [] : [finding.code])),
    table: (paint) => findings.flatMap((finding) => toFindingLines(finding, paint)).join('\n'),
  })
  if (failures.length > 0)
    throw new CliError('conflict', `The cluster of context ${kubernetesContext} is not fit to join`)
}
