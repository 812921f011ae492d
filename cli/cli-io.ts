import type { HttpFetch } from '#api/client.ts'
import type { ProbePlane } from './fetch-plane.ts'
import type { KubernetesTransport } from './kubernetes/kubernetes-transport.ts'

/** Where text goes; `isTTY` decides about colours and live progress. */
export interface TextOutput {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  /** Lines of the terminal. */
  readonly rows?: number | undefined
}

/** The world as the command line sees it. `cli/process-cli.ts` passes in the process's own. */
export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: TextOutput
  readonly stderr: TextOutput
  readonly stdinIsTTY: boolean
  /** All of the standard input. */
  readStdin(): Promise<string>
  /** Asks on the terminal; `hidden` shows nothing of what is typed. */
  prompt(question: string, options: { readonly hidden: boolean }): Promise<string>
  readonly fetch: HttpFetch
  readonly probePlane: ProbePlane
  /** The Kubernetes cluster that a context of the person's kubeconfig names. */
  readonly connectKubernetes: (context: string) => Promise<KubernetesTransport>
  readonly now: () => number
  readonly sleep: (milliseconds: number) => Promise<void>
  readonly random: () => number
  readonly newId: () => string
}
