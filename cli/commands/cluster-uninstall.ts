import type { Command } from 'commander'
import type { CliContext } from '../cli-context.ts'
import { durationOption } from '../duration.ts'
import { addExamples } from '../examples.ts'
import type { UninstallOptions } from '../kubernetes/uninstall-kubernetes.ts'

export const defineClusterUninstall = (group: Command, context: CliContext): void => {
  addExamples(
    group
      .command('uninstall')
      .description('Take a Kubernetes cluster out of the mesh, and everything of Atoll out of the cluster.')
      .argument('<name>')
      .requiredOption('--context <name>', 'context of the kubeconfig')
      .option('--keep-crds', "leave upstream's CRDs; they stay anyway where they are not ours or have objects")
      .option('--keep-in-mesh', 'do not ask the plane: it may be gone for ever')
      .option('--yes', 'do not ask')
      .addOption(durationOption('--timeout <duration>', 'how long to wait until all is gone', '2m'))
      .action((name: string, options: UninstallOptions) => uninstall(context, name, options)),
    [['atoll cluster uninstall east --context east', 'asks first']],
  )
}

// Loaded when it is run: the other commands of the group have nothing to do with Kubernetes.
const uninstall = async (context: CliContext, name: string, options: UninstallOptions): Promise<void> => {
  const { uninstallKubernetes } = await import('../kubernetes/uninstall-kubernetes.ts')
  await uninstallKubernetes(context, name, options)
}
