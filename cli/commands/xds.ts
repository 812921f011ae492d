import type { Command } from 'commander'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addFiles, toPaths, type FileOptions } from '../configuration/file-arguments.ts'
import { addExamples } from '../examples.ts'
import { toProblemFields } from '../output/problem-fields.ts'
import { addCompileOptions, compileFiles, type CompileOptions } from '../xds/compile-files.ts'
import { toProxyConfiguration } from '../xds/proxy-configuration.ts'
import { toProxyTable } from '../xds/proxy-table.ts'
import { defineXdsDiff } from './xds-diff.ts'

interface XdsOptions extends CompileOptions, FileOptions {}

export const defineXds = (command: Command, context: CliContext): void => {
  addCompileOptions(addFiles(command)).action((paths: readonly string[], options: XdsOptions) =>
    show(context, toPaths(paths, options), options),
  )
  command.addHelpText(
    'after',
    `
Services, ServiceEntries, WorkloadEntries and the pods of Kubernetes manifests among the files are what runs in the cluster; each Deployment has one pod,
with a sidecar. Addresses that only a cluster can give are made up: 10.96.0.0/16 for Services, 10.244.0.0/16 for pods.
A proxy whose workload no file has is a pod whose traffic is captured. The cluster is on the proxy's network, as network= or its WorkloadEntry says; addresses on others are not reached.`,
  )
  addExamples(command, [
    ['atoll xds bookinfo.yaml --proxy sidecar/default/productpage-v1', 'listeners, routes, clusters and endpoints'],
    ['atoll xds mesh/ --proxy sidecar/shop/web,labels.app=web -o json', "all of it, in Envoy's own words"],
  ])
  defineXdsDiff(command, context)
}

const show = async (context: CliContext, paths: readonly string[], options: XdsOptions): Promise<void> => {
  if (paths.length === 0) throw new CliError('usage', 'Which files?', { remedy: 'See "atoll xds --help".' })
  const result = await compileFiles(context, paths, options)
  const configuration = toProxyConfiguration(result)
  context.noteProblems(result.problems)
  await context.print({
    value: { ...configuration, problems: result.problems.map(toProblemFields) },
    names: result.resources.map(({ name }) => name),
    table: () => toProxyTable(configuration),
  })
}
