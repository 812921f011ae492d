/** Calls `send` so many times a second, whatever becomes of those before, and resolves when all of them have ended. `send` does not reject. */
export const sendSteadily = async (
  { seconds, perSecond }: { readonly seconds: number; readonly perSecond: number },
  send: (index: number) => Promise<void>,
): Promise<void> => {
  const startedAt = performance.now()
  const sent: Promise<void>[] = []
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsed = (performance.now() - startedAt) / 1000
      while (sent.length < Math.min(elapsed, seconds) * perSecond) sent.push(send(sent.length))
      if (elapsed < seconds) return
      clearInterval(timer)
      resolve()
    }, 1)
  })
  await Promise.all(sent)
}
