import { expect, it } from 'vitest'
import { toCliReference } from './cli-reference.ts'

it('has each command that does something, also where there are commands below it', async () => {
  const titles = [...(await toCliReference()).matchAll(/^## (atoll .*)$/gm)].map(([, title]) => title)
  expect(titles).toEqual(expect.arrayContaining(['atoll apply', 'atoll cluster show', 'atoll xds', 'atoll xds diff']))
  expect(titles).not.toContain('atoll cluster')
})
