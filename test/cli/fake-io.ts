import type { HttpFetch } from '#api/client.ts'
import type { CliIo } from '#cli/cli-io.ts'
import type { KubernetesTransport } from '#cli/kubernetes/kubernetes-transport.ts'
import { runCli } from '#cli/run-cli.ts'

export interface FakeAnswer {
  readonly status: number
  readonly body?: unknown
  /** Of an answer that streams: its text, piece by piece. */
  readonly chunks?: readonly string[]
  /** … and why it is cut off after them. */
  readonly breaks?: string
}
type Answer = FakeAnswer | ((url: URL, body: string | undefined) => FakeAnswer)

export interface FakeWorld {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** A person at a terminal, who answers questions with these. */
  readonly terminal?: readonly string[]
  /** Lines of that terminal. */
  readonly rows?: number
  /** The API server behind every context. */
  readonly kubernetes?: KubernetesTransport
  /** What answers at a URL to who has no token; everywhere else nothing does. */
  readonly probes?: Readonly<Record<string, FakeAnswer | Error>>
  /** "GET /v1/whoami" → what the plane answers, always or (a list) one after the other, the last one for ever. */
  readonly answers?: Readonly<Record<string, Answer | readonly Answer[]>>
}

export interface FakeCall {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

export interface FakeRun {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly calls: readonly FakeCall[]
}

export const planeUrl = 'https://plane.test'

/** Runs one command line in a world of strings: time passes only when the command sleeps or waits. */
export const runFake = async (args: readonly string[], world: FakeWorld = {}): Promise<FakeRun> => {
  const calls: FakeCall[] = []
  const turns = new Map<string, number>()
  const typed = [...(world.terminal ?? [])]
  const out = { stdout: '', stderr: '' }
  let now = Date.parse('2026-11-21T12:00:00Z')
  let ids = 0
  const fetch: HttpFetch = (url, { method, headers, body }) => {
    const parsed = new URL(url)
    const query = Object.fromEntries(parsed.searchParams)
    calls.push({ method, path: parsed.pathname, query, headers, body })
    now += Number(query['waitSeconds'] ?? 0) * 1000
    const key = `${method} ${parsed.pathname}`
    const given = world.answers?.[key]
    const turn = turns.get(key) ?? 0
    turns.set(key, turn + 1)
    const answer = Array.isArray(given) ? given[Math.min(turn, given.length - 1)] : (given as Answer | undefined)
    if (answer === undefined) return Promise.reject(new Error(`nobody answers ${key}`))
    const { status, body: answered, chunks, breaks } = typeof answer === 'function' ? answer(parsed, body) : answer
    return Promise.resolve({
      status,
      headers: { get: () => null },
      text: () => Promise.resolve(answered === undefined ? '' : JSON.stringify(answered)),
      ...(chunks && {
        async *chunks() {
          yield* chunks
          if (breaks !== undefined) throw new Error(breaks)
        },
      }),
    })
  }
  const isTTY = world.terminal !== undefined
  const output = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => (out[name] += text),
    isTTY,
    rows: world.rows,
  })
  const io: CliIo = {
    env: {
      XDG_CONFIG_HOME: '/nonexistent',
      ATOLL_URL: planeUrl,
      ATOLL_TOKEN: 'atoll_token_1_x',
      ATOLL_MESH: 'shop',
      ...world.env,
    },
    stdout: output('stdout'),
    stderr: output('stderr'),
    stdinIsTTY: isTTY,
    readStdin: () => Promise.resolve(world.stdin ?? ''),
    prompt: (question) => {
      out.stderr += question
      return Promise.resolve(typed.shift() ?? '')
    },
    fetch,
    probePlane: (url) => {
      const answer = world.probes?.[url] ?? new Error(`nobody answers ${url}`)
      if (answer instanceof Error) return Promise.reject(answer)
      const { status, body } = answer
      return Promise.resolve({
        status,
        headers: { get: () => null },
        text: () => Promise.resolve(JSON.stringify(body)),
      })
    },
    connectKubernetes: () =>
      world.kubernetes === undefined
        ? Promise.reject(new Error('there is no Kubernetes cluster'))
        : Promise.resolve(world.kubernetes),
    now: () => now,
    sleep: (milliseconds) => {
      now += milliseconds
      return Promise.resolve()
    },
    random: () => 0,
    newId: () => `id-${ids++}`,
  }
  const code = await runCli(args, io)
  return { code, ...out, calls }
}
