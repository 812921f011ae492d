import type { BrowserContext, Page } from 'playwright-core'

/** Signs in as a person does: at the page of the plane, then at the provider, until the provider sends the browser back. */
export const signIn = async (page: Page, plane: string, account: string): Promise<void> => {
  await page.goto(`${plane}/`)
  await begin(page)
  await atProvider(page, account)
}

/** Says the org, which leads to the provider. */
export const begin = async (page: Page, org = 'demo'): Promise<void> => {
  await page.getByLabel('Name of your org').fill(org)
  await leave(page, () => page.getByRole('button', { name: 'Sign in' }).click())
}

/** Also to the same address: a provider that knows who it is sends them back at once. */
const leave = async (page: Page, act: () => Promise<void>): Promise<void> => {
  const left = page.waitForEvent('framenavigated', (frame) => frame === page.mainFrame())
  await act()
  await left
  await page.waitForLoadState('domcontentloaded')
}

/** Fills in the provider's forms, as many as there are. */
export const atProvider = async (page: Page, account: string): Promise<void> => {
  while (page.url().includes('/interaction/')) {
    const login = page.locator('input[name=login]')
    if ((await login.count()) > 0) {
      await login.fill(account)
      await page.locator('input[name=password]').fill('any')
    }
    await leave(page, () => page.locator('button[type=submit]').click())
  }
}

export const findSession = async (context: BrowserContext) =>
  (await context.cookies()).find(({ name }) => name.endsWith('atoll_session'))

interface Asked {
  readonly method?: string
  readonly body?: string
  readonly headers?: Record<string, string>
  readonly credentials?: 'include'
  readonly mode?: 'no-cors'
}

/** What a script of the page gets that is shown: HTTP's status and the problem's code, or why there is no answer. */
export const askFrom = (page: Page, url: string, init: Asked = {}): Promise<string> =>
  page.evaluate(
    async ([where, how]) => {
      try {
        const answer = await fetch(where, how)
        const text = await answer.text()
        const { code } = JSON.parse(text === '' ? '{}' : text) as { code?: string }
        return `${answer.status} ${code ?? ''}`.trim()
      } catch (error) {
        return String(error)
      }
    },
    [url, init] as const,
  )
