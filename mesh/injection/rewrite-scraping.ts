import { appMetricsPath, appMetricsPort } from '../kubernetes/conventions.ts'
import { annotationProblem } from './annotation-reader.ts'
import type { InjectionProblem } from './annotation-reader.ts'
import { scrapeTarget, scrapeTargetAnnotation } from './scrape-target.ts'

type Annotations = Readonly<Record<string, string>>

export interface RewrittenScraping {
  readonly annotations: Annotations
  readonly warnings: readonly InjectionProblem[]
}

/** Annotations as Prometheus' discovery shows them: what is no letter or digit has become "_", so several may be one. */
const fields = {
  prometheus_io_scrape: 'scrape',
  prometheus_io_port: 'port',
  prometheus_io_path: 'path',
  prometheus_io_scheme: 'scheme',
} as const
type Field = (typeof fields)[keyof typeof fields]

const toField = (annotation: string): Field | undefined => {
  const label = annotation.replaceAll(/\W/g, '_')
  return Object.entries(fields).find(([name]) => name === label)?.[1]
}

/** What Prometheus is to ask with, of an annotation that it is to know it by (its usual chart: `__param_` and the rest). */
const toParameter = (annotation: string): string | undefined =>
  /^prometheus_io_param_(.+)$/.exec(annotation.replaceAll(/\W/g, '_'))?.[1]

/** Where Istio's agent asks when nothing else is said. */
const defaults = { port: '80', path: '/metrics' }

/** Texts that Go's strconv.ParseBool takes for false. */
const falsehoods: readonly string[] = ['0', 'f', 'F', 'false', 'False', 'FALSE']

/**
 * Leads who scrapes the application by `prometheus.io/…` annotations to the proxy: a Prometheus has no mesh certificate, and what asks the
 * application itself may have to have one. Istio: applyPrometheusMerge of pkg/kube/inject/webhook.go. Other than there, what asks for
 * HTTPS is left alone: nobody is to get in plaintext what was to be encrypted.
 */
export const rewriteScraping = (annotations: Annotations): RewrittenScraping => {
  const said = new Map(Object.keys(annotations).map((name) => [toField(name), name]))
  const read = (field: Field) => {
    const name = said.get(field) ?? `prometheus.io/${field}`
    return { name, text: annotations[name] }
  }
  const leave = (name: string, message: string): RewrittenScraping => ({
    annotations,
    warnings: [annotationProblem(name, `${message}: metrics of the application are not scraped through the proxy`)],
  })
  const [scrape, port, path, scheme] = [read('scrape'), read('port'), read('path'), read('scheme')]
  const isAsked = [scrape, port, path].some(({ text }) => text !== undefined)
  if (!isAsked || falsehoods.includes(scrape.text ?? '')) return { annotations, warnings: [] }
  if (scheme.text?.toLowerCase() === 'https') return leave(scheme.name, 'the proxy answers in plaintext')

  const target = scrapeTarget.safeParse({
    port: toPort(port.text ?? defaults.port),
    path: toPath(path.text ?? '', toQuery(annotations)),
  })
  if (!target.success) {
    const isPort = target.error.issues.some((issue) => issue.path[0] === 'port')
    return isPort
      ? leave(port.name, `"${port.text ?? ''}" is no port of the application`)
      : leave(path.name, 'is not the path of a URL')
  }
  const others = Object.entries(annotations).filter(
    ([name]) => [undefined, 'scheme'].includes(toField(name)) && toParameter(name) === undefined,
  )
  return {
    annotations: {
      ...Object.fromEntries(others),
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': String(appMetricsPort),
      'prometheus.io/path': appMetricsPath,
      [scrapeTargetAnnotation]: JSON.stringify(target.data),
    },
    warnings:
      port.text === undefined
        ? [annotationProblem(port.name, `is not there: metrics are asked for on port ${defaults.port}`)]
        : [],
  }
}

const toPort = (text: string): number => (/^\d{1,5}$/.test(text) ? Number(text) : 0)

const toPath = (text: string, query: string): string => {
  const path = text === '' ? defaults.path : `${text.startsWith('/') ? '' : '/'}${text}`
  return query === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${query}`
}

/** The proxy asks with it, so nobody has to ask the proxy with it, which takes no query. */
const toQuery = (annotations: Annotations): string =>
  Object.entries(annotations)
    .flatMap(([name, text]) => {
      const parameter = toParameter(name)
      return parameter === undefined ? [] : [`${parameter}=${encodeURIComponent(text.toWellFormed())}`]
    })
    .join('&')
