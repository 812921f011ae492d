import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completionScripts, shells } from '#cli/completion/scripts.ts'
import { runFake } from './fake-io.ts'

const complete = async (...words: string[]) =>
  (await runFake(['complete', '--', ...words])).stdout.split('\n').filter(Boolean)

describe('candidates', () => {
  it.each([
    ['commands', ['rev'], ['revision']],
    ['commands of a group', ['revision', 'ro'], ['rollback']],
    ['commands of a group of a group', ['machine', 'token', ''], ['create', 'list', 'revoke']],
    ['options of a command', ['apply', '--dry'], ['--dry-run']],
    ['options of all commands', ['apply', '--prof'], ['--profile']],
    ['choices of an option', ['services', '-o', 'j'], ['json']],
    ['a command after options with values', ['--mesh', 'prod', 'reve'], []],
    ['a command after an option with a value', ['--mesh', 'prod', 'whoa'], ['whoami']],
    ['files, by saying nothing', ['apply', '-f', ''], []],
    ['nothing that is hidden', ['compl'], ['completion']],
  ])('are %s', async (_, words, expected) => expect(await complete(...words)).toEqual(expected))
})

describe('scripts', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'atoll-completion-'))
    symlinkSync(join(import.meta.dirname, '../../cli/main.ts'), join(folder, 'atoll'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it.each(shells)('are printed for %s', async (shell) => {
    expect(await runFake(['completion', shell])).toMatchObject({ code: 0, stdout: completionScripts[shell] })
  })

  it('complete in bash', () => {
    writeFileSync(join(folder, 'atoll.bash'), completionScripts.bash)
    const script = `source atoll.bash; COMP_WORDS=(atoll revision ro); COMP_CWORD=2; _atoll; printf '%s\\n' "\${COMPREPLY[@]}"`
    const path = [folder, dirname(process.execPath), process.env['PATH']].join(delimiter)
    expect(
      execFileSync('bash', ['-c', script], { cwd: folder, encoding: 'utf8', env: { ...process.env, PATH: path } }),
    ).toBe('rollback\n')
  })
})
