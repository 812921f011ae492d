import { requestThroughProxy } from '#test/harness/proxy-request.ts'
import { sendSteadily } from './send-steadily.ts'

/** A process of its own that sends requests through a sidecar, so many a second whatever becomes of those before. */
export interface RequestCommand {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly seconds: number
  readonly requestsPerSecond: number
}

export interface RequestRun {
  /** Milliseconds of each that was answered with 200. */
  readonly milliseconds: readonly number[]
  readonly failed: number
}

const run = async ({ host, port, url, headers, seconds, requestsPerSecond }: RequestCommand): Promise<RequestRun> => {
  const milliseconds: number[] = []
  let failed = 0
  const send = async (): Promise<void> => {
    const sentAt = performance.now()
    const { status } = await requestThroughProxy({ host, port }, url, { headers })
    if (status === 200) milliseconds.push(performance.now() - sentAt)
    else failed += 1
  }
  await sendSteadily({ seconds, perSecond: requestsPerSecond }, () => send().catch(() => void (failed += 1)))
  return { milliseconds, failed }
}

process.on('message', (command: RequestCommand | 'close') => {
  if (command === 'close') process.disconnect()
  else void run(command).then((answer) => process.send?.(answer))
})
