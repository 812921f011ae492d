/** Does something that keeps nothing else from being done. What fails is logged. Answers whether it was done. */
export const attempt = async (what: string, body: () => unknown): Promise<boolean> => {
  try {
    await body()
    return true
  } catch (error) {
    // eslint-disable-next-line no-console -- the platform's log
    console.error(JSON.stringify({ level: 'error', message: `failed: ${what}`, error: String(error) }))
    return false
  }
}
