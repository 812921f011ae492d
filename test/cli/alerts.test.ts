import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { createAgentMetrics, type AgentMeasures } from '#agent/http/agent-metrics.ts'
import { DurationHistogram } from '#agent/http/duration-histogram.ts'
import { buildAgentDeployment } from '#cli/kubernetes/manifests/agent-deployment.ts'
import { defaultReplicas } from '#cli/kubernetes/manifests/install-settings.ts'
import { agentHttpPort, agentName, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { findProgram } from '../../scripts/find-program.mjs'

const root = join(import.meta.dirname, '../..')
const folder = join(root, 'deploy/prometheus')
const rulesFile = join(folder, 'atoll-alerts.yaml')
const ruleFile = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          labels: z.object({ severity: z.enum(['critical', 'warning', 'info']) }),
          annotations: z.object({ summary: z.string(), description: z.string(), runbook_url: z.string() }),
        }),
      ),
    }),
  ),
})
const { groups } = ruleFile.parse(parse(readFileSync(rulesFile, 'utf8')))
const rules = groups.flatMap((group) => group.rules)

/** An agent whose every part runs. */
const measures: AgentMeasures = {
  compiledRevision: 0,
  proxies: 0,
  registrySynced: true,
  problems: 0,
  storeFailures: 0,
  now: 0,
  injector: {
    ready: true,
    certificateNotAfter: undefined,
    reviews: { injected: 0, skipped: 0, refused: 0, failed: 0 },
    durations: new DurationHistogram().measure(),
    failures: { certificate: 0, publish: 0 },
  },
}

describe('the alerts', () => {
  it('are about metrics that the agent has', async () => {
    const metrics = await createAgentMetrics(() => measures).metrics()
    const named = new Set(rules.flatMap(({ expr }) => expr.match(/\b(atoll|process)_\w+/g) ?? []))
    const missing = [...named].filter((name) => !metrics.includes(`# TYPE ${name.replace(/_bucket$/, '')} `))
    expect(missing).toEqual([])
    expect(named.size).toBeGreaterThan(15)
  })

  it('lead to a section of a runbook each, and no runbook has a section of an alert that is none', () => {
    const runbooks = join(root, 'docs/runbooks')
    const sections = readdirSync(runbooks).flatMap((page) =>
      [...readFileSync(join(runbooks, page), 'utf8').matchAll(/^#+ (Atoll\w+)$/gm)].map(
        ([, alert = '']) => `${alert} docs/runbooks/${page}#${alert.toLowerCase()}`,
      ),
    )
    expect(sections.toSorted()).toEqual(
      rules.map(({ alert, annotations }) => `${alert} ${annotations.runbook_url}`).toSorted(),
    )
  })

  it('are found by a job of the name that they ask for, on the port and pods that the manifests have', () => {
    const [, , deployment] = buildAgentDeployment({
      cluster: 'east',
      network: 'east',
      plane: 'https://plane.test',
      planeCa: undefined,
      image: 'agent',
      proxyImage: 'proxy',
      replicas: defaultReplicas,
      gateway: undefined,
      failurePolicy: 'Fail',
      revision: 'default',
      joinToken: 'x',
    })
    expect(deployment).toMatchObject({
      metadata: { namespace: systemNamespace },
      spec: {
        template: {
          metadata: { labels: { 'app.kubernetes.io/name': agentName } },
          spec: { containers: [{ ports: expect.arrayContaining([{ name: 'http-status', containerPort: 15020 }]) }] },
        },
      },
    })
    const read = (name: string) => parse(readFileSync(join(folder, name), 'utf8')) as unknown
    expect(read('scrape.yaml')).toMatchObject({
      scrape_configs: [
        {
          job_name: agentName,
          kubernetes_sd_configs: [{ role: 'pod', namespaces: { names: [systemNamespace] } }],
          relabel_configs: [{ regex: agentName }, { regex: String(agentHttpPort) }, {}],
        },
      ],
    })
    expect(read('pod-monitor.yaml')).toMatchObject({
      metadata: { namespace: systemNamespace },
      spec: {
        jobLabel: 'app.kubernetes.io/name',
        selector: { matchLabels: { 'app.kubernetes.io/name': agentName } },
        podMetricsEndpoints: [{ targetPort: agentHttpPort }],
      },
    })
  })
})

/** Series of a healthy cluster of two replicas, a sample a minute. */
const healthy: Readonly<Record<string, string>> = {
  'up{job="atoll-agent",instance="a"}': '1x120',
  'up{job="atoll-agent",instance="b"}': '1x120',
  'process_start_time_seconds{job="atoll-agent",instance="a"}': '100x120',
  'atoll_agent_uplink_reporting{instance="a"}': '1x120',
  'atoll_agent_uplink_reporting{instance="b"}': '0x120',
  'atoll_agent_uplink_live{instance="a"}': '1x120',
  'atoll_agent_plane_data_age_seconds{instance="a"}': '0x120',
  'atoll_agent_registry_synced{instance="a"}': '1x120',
  'atoll_agent_registry_age_seconds{resource="pods",instance="a"}': '40x120',
  'atoll_agent_holds{kind="restored-plane",instance="a"}': '0x120',
  'atoll_agent_holds{kind="mass-removal",instance="a"}': '0x120',
  'atoll_agent_xds_nacks_total{instance="a"}': '3x120',
  'atoll_agent_xds_refused_streams_total{instance="a"}': '3x120',
  'atoll_agent_proxies_behind{instance="a"}': '0 5 0 2 0x116',
  'atoll_agent_plane_revision{instance="a"}': '1+1x120',
  'atoll_agent_compiled_revision{instance="a"}': '1+1x120',
  'atoll_agent_problems{instance="a"}': '0x120',
  'atoll_agent_store_failures_total{instance="a"}': '0x120',
  'atoll_agent_certificate_expiry_seconds{certificate="intermediate",instance="a"}': '7776000-60x120',
  'atoll_agent_certificate_expiry_seconds{certificate="root",instance="a"}': '63072000-60x120',
  'atoll_agent_certificate_expiry_seconds{certificate="workload",instance="a"}': '86400-60x120',
  'atoll_agent_certificate_expiry_seconds{certificate="issuer",instance="a"}': '7776000-60x120',
  'atoll_agent_certificate_expiry_seconds{certificate="agent",instance="a"}': '86400-60x120',
  'atoll_agent_certificate_expiry_seconds{certificate="injector",instance="a"}': '86400-60x120',
  'atoll_agent_machine_token_expiry_seconds{instance="a"}': '7776000-60x120',
  'atoll_agent_gateway_reachable{cluster="west",address="gw.west",port="15443",instance="a"}': '1x120',
  'atoll_agent_gateway_addresses{cluster="west",address="gw.west",port="15443",instance="a"}': '2x120',
  'atoll_agent_injector_ready{instance="a"}': '1x120',
  'atoll_agent_injector_failures_total{step="publish",instance="a"}': '1x120',
  'atoll_agent_injector_reviews_total{outcome="refused",instance="a"}': '1x120',
  'atoll_agent_injector_reviews_total{outcome="failed",instance="a"}': '1x120',
  'atoll_agent_injector_review_seconds_bucket{le="0.1",instance="a"}': '0+9x120',
  'atoll_agent_injector_review_seconds_bucket{le="2.5",instance="a"}': '0+9x120',
  'atoll_agent_injector_review_seconds_bucket{le="+Inf",instance="a"}': '0+9x120',
  'kube_deployment_status_replicas_available{namespace="atoll-system",deployment="atoll-agent"}': '2x120',
  'kube_deployment_status_replicas_available{namespace="atoll-system",deployment="atoll-east-west-gateway"}': '2x120',
}

/** What is different when an alert fires, by the start of a series' name, and which other alerts come with it. */
const faults: Readonly<
  Record<string, { readonly series: Readonly<Record<string, string>>; readonly with?: string[] }>
> = {
  AtollAgentDown: { series: { 'up{job="atoll-agent",instance="b"': '0x120' } },
  AtollAgentAbsent: { series: { 'up{': '0x120' }, with: ['AtollAgentDown'] },
  AtollAgentRestarts: { series: { process_start_time_seconds: '100+700x120' } },
  AtollNoReporter: { series: { 'atoll_agent_uplink_reporting{instance="a"': '0x120' } },
  AtollReporterFlaps: { series: { 'atoll_agent_uplink_reporting{instance="a"': '1 0 0 '.repeat(40) } },
  AtollStoreFails: { series: { atoll_agent_store_failures_total: '0+1x120' } },
  AtollPlaneAway: {
    series: { atoll_agent_uplink_live: '0x120', 'atoll_agent_uplink_reporting{instance="a"': '0x120' },
  },
  AtollPlaneDataOld: { series: { atoll_agent_plane_data_age_seconds: '86400+60x120' } },
  AtollRegistryNotSynced: { series: { atoll_agent_registry_synced: '0x120' } },
  AtollRegistryOld: { series: { atoll_agent_registry_age_seconds: '0+60x120' } },
  AtollRestoredPlane: { series: { 'atoll_agent_holds{kind="restored-plane"': '1x120' } },
  AtollMassRemoval: { series: { 'atoll_agent_holds{kind="mass-removal"': '1x120' } },
  AtollProxyRefuses: { series: { atoll_agent_xds_nacks_total: '0+1x120' } },
  AtollProxiesBehind: { series: { atoll_agent_proxies_behind: '1x120' } },
  AtollRevisionNotCompiled: { series: { atoll_agent_compiled_revision: '1x120' } },
  AtollProblems: { series: { atoll_agent_problems: '1x120' } },
  AtollStreamsRefused: { series: { atoll_agent_xds_refused_streams_total: '0+10x120' } },
  AtollCertificateExpires: {
    series: { 'atoll_agent_certificate_expiry_seconds{certificate="intermediate"': '9999x120' },
  },
  AtollRootExpires: {
    series: { 'atoll_agent_certificate_expiry_seconds{certificate="root"': '15551000-60x120' },
  },
  AtollIssuerExpires: {
    series: { 'atoll_agent_certificate_expiry_seconds{certificate="issuer"': '9999x120' },
  },
  AtollWorkloadCertificateExpires: {
    series: { 'atoll_agent_certificate_expiry_seconds{certificate="workload"': '9999x120' },
  },
  AtollServerCertificateExpires: {
    series: { 'atoll_agent_certificate_expiry_seconds{certificate="injector"': '9999x120' },
  },
  AtollMachineTokenExpires: { series: { atoll_agent_machine_token_expiry_seconds: '1209000-60x120' } },
  AtollGatewayUnreachable: { series: { atoll_agent_gateway_reachable: '0x120' } },
  AtollGatewayUnresolved: { series: { atoll_agent_gateway_addresses: '0x120' } },
  AtollInjectorNotReady: { series: { atoll_agent_injector_ready: '0x120' } },
  AtollInjectorNotPublished: { series: { 'atoll_agent_injector_failures_total{step="publish"': '0+1x120' } },
  AtollInjectionRefused: { series: { 'atoll_agent_injector_reviews_total{outcome="refused"': '0+1x120' } },
  AtollInjectionFails: { series: { 'atoll_agent_injector_reviews_total{outcome="failed"': '0+1x120' } },
  AtollInjectionSlow: { series: { 'atoll_agent_injector_review_seconds_bucket{le="0.1"': '0x120' } },
  AtollAgentWithoutSpare: {
    series: { 'kube_deployment_status_replicas_available{namespace="atoll-system",deployment="atoll-agent"': '1x120' },
  },
  AtollGatewayDown: {
    series: {
      'kube_deployment_status_replicas_available{namespace="atoll-system",deployment="atoll-east-west-gateway"':
        '0x120',
    },
  },
}

const withFault = (fault: Readonly<Record<string, string>>) =>
  Object.entries(healthy).map(([series, values]) => ({
    series,
    values: Object.entries(fault).find(([start]) => series.startsWith(start))?.[1] ?? values,
  }))

/** Exactly these alerts fire after 40 minutes of that. */
const toRuleTest = (name: string, series: Readonly<Record<string, string>>, firing: readonly string[]) => ({
  name,
  interval: '1m',
  input_series: withFault(series),
  promql_expr_test: [
    {
      expr: 'sum by (alertname) (ALERTS{alertstate="firing"}) > bool 0',
      eval_time: '40m',
      exp_samples: firing.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
    },
  ],
})

const promtool = findProgram('promtool')

describe.skipIf(promtool === undefined)('Prometheus, with the rules (Debian has promtool in "prometheus")', () => {
  it('fires each alert for its own fault, and none when all is well', () => {
    expect(Object.keys(faults).toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted())
    const scratch = mkdtempSync(join(tmpdir(), 'atoll-alerts-'))
    const file = join(scratch, 'rules.test.yaml')
    // It makes a database for each test, and waits for the disk.
    const env = { ...process.env, TMPDIR: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() }
    const tests = [
      toRuleTest('all is well', {}, []),
      ...Object.entries(faults).map(([alert, { series, with: others = [] }]) =>
        toRuleTest(alert, series, [alert, ...others]),
      ),
    ]
    writeFileSync(file, stringify({ rule_files: [rulesFile], evaluation_interval: '1m', tests }))
    try {
      const output = execFileSync(promtool ?? '', ['test', 'rules', file], { encoding: 'utf8', stdio: 'pipe', env })
      expect(output).toContain('SUCCESS')
    } finally {
      rmSync(scratch, { recursive: true })
    }
  }, 120_000)
})
