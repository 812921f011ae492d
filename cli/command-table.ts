import type { Command } from 'commander'
import type { CliContext } from './cli-context.ts'
import type { OutputFormat } from './output/view.ts'

type DefineCommand = (command: Command, context: CliContext) => void

export interface CommandEntry {
  readonly name: string
  readonly description: string
  /** Those that its result has beside the ones of every result. */
  readonly formats?: readonly OutputFormat[]
  readonly load: () => Promise<DefineCommand>
}

/** The commands in the order of the help. A command's code is loaded when it is run: starting costs what is used. */
export const commandTable: readonly CommandEntry[] = [
  {
    name: 'login',
    description: 'Sign in to a control plane, with a token or, the first time, with its set-up token.',
    load: async () => (await import('./commands/login.ts')).defineLogin,
  },
  {
    name: 'logout',
    description: 'Forget the profile and its token.',
    load: async () => (await import('./commands/logout.ts')).defineLogout,
  },
  {
    name: 'whoami',
    description: 'Show the plane, the org and the token that commands are run with.',
    load: async () => (await import('./commands/whoami.ts')).defineWhoami,
  },
  {
    name: 'org',
    description: 'The org: the owner of meshes and tokens.',
    load: async () => (await import('./commands/org.ts')).defineOrg,
  },
  {
    name: 'member',
    description: 'People of the org, who sign in through its identity provider.',
    load: async () => (await import('./commands/member.ts')).defineMember,
  },
  {
    name: 'mesh',
    description: 'Meshes: each is one trust domain with its own configuration.',
    load: async () => (await import('./commands/mesh.ts')).defineMesh,
  },
  {
    name: 'cluster',
    description: 'Clusters of the mesh: each is a place with an agent.',
    load: async () => (await import('./commands/cluster.ts')).defineCluster,
  },
  {
    name: 'check',
    description: 'Check whether a Kubernetes cluster is fit to join, and say what to do where it is not.',
    load: async () => (await import('./commands/check.ts')).defineCheck,
  },
  {
    name: 'machine',
    description: 'Machines outside Kubernetes.',
    load: async () => (await import('./commands/machine.ts')).defineMachine,
  },
  {
    name: 'bootstrap',
    description: "Write the files that a machine's Envoy starts with.",
    load: async () => (await import('./commands/bootstrap.ts')).defineBootstrap,
  },
  {
    name: 'apply',
    description: 'Apply configuration: all objects of all files as one revision, or none.',
    load: async () => (await import('./commands/apply.ts')).defineApply,
  },
  {
    name: 'get',
    description: "Show the mesh's configuration: all objects, those of a kind, or one.",
    load: async () => (await import('./commands/get.ts')).defineGet,
  },
  {
    name: 'delete',
    description: 'Delete an object of the configuration, as one revision.',
    load: async () => (await import('./commands/delete.ts')).defineDelete,
  },
  {
    name: 'diff',
    description: 'Show what "atoll apply" would change, line by line.',
    load: async () => (await import('./commands/diff.ts')).defineDiff,
  },
  {
    name: 'revision',
    description: "Revisions: the numbered states of the mesh's configuration.",
    load: async () => (await import('./commands/revision.ts')).defineRevision,
  },
  {
    name: 'publish',
    description: 'What clusters may publish mesh-wide of their own configuration.',
    load: async () => (await import('./commands/publish.ts')).definePublish,
  },
  {
    name: 'services',
    description: 'Show the services as the mesh sees them, or one with its endpoints.',
    load: async () => (await import('./commands/services.ts')).defineServices,
  },
  {
    name: 'quotas',
    description: 'Show what consumers have used of quotas in a day.',
    load: async () => (await import('./commands/quotas.ts')).defineQuotas,
  },
  {
    name: 'proxies',
    description: 'List the connected proxies and whether each is in sync.',
    load: async () => (await import('./commands/proxies.ts')).defineProxies,
  },
  {
    name: 'proxy',
    description: 'What one proxy is served.',
    load: async () => (await import('./commands/proxy.ts')).defineProxy,
  },
  {
    name: 'top',
    description: 'Show the requests, errors and durations of services, as they are now.',
    load: async () => (await import('./commands/top.ts')).defineTop,
  },
  {
    name: 'graph',
    description: 'Draw who calls whom over all clusters, and how it goes.',
    formats: ['dot'],
    load: async () => (await import('./commands/graph.ts')).defineGraph,
  },
  {
    name: 'logs',
    description: 'Search the access logs of all clusters, or follow them.',
    load: async () => (await import('./commands/logs.ts')).defineLogs,
  },
  {
    name: 'trace',
    description: 'Search the traces of all clusters, or draw one.',
    load: async () => (await import('./commands/trace.ts')).defineTrace,
  },
  {
    name: 'xds',
    description: 'What configuration means to Envoy.',
    load: async () => (await import('./commands/xds.ts')).defineXds,
  },
  {
    name: 'why',
    description:
      "Explain why a workload's call arrives, or does not: every step on the way, and the object that decides on it.",
    load: async () => (await import('./commands/why.ts')).defineWhy,
  },
  {
    name: 'authz',
    description: 'Who may call whom, by the policies that the proxies ask.',
    load: async () => (await import('./commands/authz.ts')).defineAuthz,
  },
  {
    name: 'analyze',
    description: 'Check configuration here, without a plane.',
    load: async () => (await import('./commands/analyze.ts')).defineAnalyze,
  },
  {
    name: 'inject',
    description: 'Put the proxy into the pods of Kubernetes manifests, as the injector would.',
    load: async () => (await import('./commands/inject.ts')).defineInject,
  },
  {
    name: 'trust',
    description: "The mesh's certificates: its root, the clusters' intermediates, and external issuers.",
    load: async () => (await import('./commands/trust.ts')).defineTrust,
  },
  {
    name: 'token',
    description: "The org's tokens for people and machines that call the API.",
    load: async () => (await import('./commands/token.ts')).defineToken,
  },
  {
    name: 'audit',
    description: 'List what was done to the mesh, and by whom, newest first; verify and export it.',
    formats: ['jsonl'],
    load: async () => (await import('./commands/audit.ts')).defineAudit,
  },
  {
    name: 'support',
    description: 'Collect what somebody needs to help.',
    load: async () => (await import('./commands/support.ts')).defineSupport,
  },
  {
    name: 'plane',
    description: 'A control plane on this machine.',
    load: async () => (await import('./commands/plane.ts')).definePlane,
  },
  {
    name: 'completion',
    description: "Print a shell's completion script.",
    load: async () => (await import('./commands/completion.ts')).defineCompletion,
  },
  {
    name: 'version',
    description: 'Show the version of this command.',
    load: async () => (await import('./commands/version.ts')).defineVersion,
  },
]
