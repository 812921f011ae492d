import type { LabCluster } from '../harness/cluster.ts'

/** What became of one request. */
export interface Answer {
  readonly sentMs: number
  /** On one line; with its headers when they were asked for. */
  readonly body: string
  /** Why it is no 200; undefined when it is one. */
  readonly failure: string | undefined
}

/** "after 12.3 s: 503 …", from the first request on. */
export const failuresOf = (answers: readonly Answer[]): string[] =>
  answers.flatMap(({ failure, sentMs }) =>
    failure === undefined ? [] : [`after ${(sentMs - (answers[0]?.sentMs ?? 0)) / 1000} s: ${failure}`],
  )

interface Container {
  readonly namespace: string
  readonly pod: string
  readonly name: string
}

/** A container of a cluster that calls others as applications do: by `curl`, which knows nothing of a proxy. */
export class Client {
  readonly #cluster: LabCluster
  readonly #namespace: string
  readonly #app: string
  readonly #container: string

  /** `app`: the label of its pod. */
  constructor(cluster: LabCluster, namespace: string, [app, container]: readonly [app: string, container: string]) {
    this.#cluster = cluster
    this.#namespace = namespace
    this.#app = app
    this.#container = container
  }

  /** So many requests, one after the other. Throws when there are not as many answers, whatever they are. */
  async call(url: string, count: number, ...curlOptions: readonly string[]): Promise<Answer[]> {
    const script = `${toAsk(url, curlOptions)}; for i in $(seq ${count}); do ask; done`
    const answers = parseAnswers(await execute(this.#cluster, await this.#find(), script))
    if (answers.length !== count) throw new Error(`${url}: ${answers.length} answers to ${count} requests`)
    return answers
  }

  /** The answers to requests one after the other, from before the work until after it. They need no API server. */
  async callDuring(url: string, work: () => Promise<void>): Promise<Answer[]> {
    const container = await this.#find()
    const folder = await this.#startLoad(container, url)
    const end = () =>
      execute(
        this.#cluster,
        container,
        `cd ${folder}; touch enough; until [ -e over ]; do sleep 0.05; done; cat answers`,
      )
    try {
      await work()
    } catch (error) {
      await end().catch(() => {}) // what the work has to say matters more
      throw error
    }
    return parseAnswers(await end())
  }

  /** The folder in the container where the answers are written to. The first one is there. */
  async #startLoad(container: Container, url: string): Promise<string> {
    const loop = `until [ -e $folder/enough ]; do ask >>$folder/answers; sleep 0.05; done; touch $folder/over`
    // It goes on when this command has ended.
    const script = `${toAsk(url, [])}; folder=$(mktemp -d); (${loop}) </dev/null >/dev/null 2>&1 &
      until [ -s $folder/answers ]; do sleep 0.05; done; echo $folder`
    return (await execute(this.#cluster, container, script)).trim()
  }

  async #find(): Promise<Container> {
    const [pod] = await this.#cluster.waitForPods(this.#namespace, `app=${this.#app}`)
    return { namespace: this.#namespace, pod: pod?.name ?? '', name: this.#container }
  }
}

/** A function of the shell's: one request, and one line of when it was sent, what came back, the status and the error. */
const toAsk = (url: string, curlOptions: readonly string[]): string =>
  `ask() { printf '%s\\t%s\\n' "$(date +%s%3N)" "$(curl --silent --max-time 5 ${curlOptions.join(' ')} --write-out '\\t%{http_code}\\t%{errormsg}' '${url}' | tr '\\r\\n' '  ')"; }`

const execute = async (cluster: LabCluster, { namespace, pod, name }: Container, script: string): Promise<string> => {
  const { code, stdout, output } = await cluster.exec(namespace, pod, name, ['sh', '-c', script])
  if (code !== 0) throw new Error(`${namespace}/${pod}[${name}] ended with ${code}:\n${output}`)
  return stdout
}

const parseAnswers = (text: string): Answer[] => text.split('\n').filter(Boolean).map(parseAnswer)

const parseAnswer = (line: string): Answer => {
  const { sent, body = '', status, error } = answerLine.exec(line)?.groups ?? {}
  if (sent === undefined) throw new Error(`not an answer: ${line}`)
  const failure = status === '200' ? undefined : `${status} ${error} ${body}`.trim()
  return { sentMs: Number(sent), body, failure }
}

const answerLine = /^(?<sent>\d+)\t(?<body>.*)\t(?<status>\d{3})\t(?<error>.*)$/
