import { describe, expect, it } from 'vitest'
import { commandTable } from '#cli/command-table.ts'
import { buildProgram } from '#cli/program.ts'
import { silentIo } from '../../scripts/reference/silent-io.ts'
import { runFake } from './fake-io.ts'

const program = await buildProgram(
  silentIo,
  commandTable.map(({ name }) => name),
)

/** Each command as it is typed. */
const paths = (command = program, path: readonly string[] = []): (readonly string[])[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .flatMap((child) => {
      const own = [...path, child.name()]
      return [own, ...paths(child, own)]
    })
const leaves = paths().filter(
  (path) => !paths().some((other) => other.length > path.length && path.every((word, index) => other[index] === word)),
)

describe('atoll --help', () => {
  it('lists the commands', async () => {
    expect((await runFake(['--help'])).stdout).toMatchSnapshot()
  })

  it.each(paths().map((path) => [path.join(' '), path] as const))('%s', async (_, path) => {
    const { code, stdout, stderr } = await runFake([...path, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatchSnapshot()
  })

  it.each(leaves.map((path) => [path.join(' '), path] as const))('%s has examples of itself', async (name, path) => {
    const { stdout } = await runFake([...path, '--help'])
    const examples = stdout.split('\nExamples:\n')[1]?.trim() ?? ''
    expect(examples).toContain(`atoll ${name}`)
  })

  it('describes every option', () => {
    const describeAll = (command = program): string[] => [
      ...command.options
        .filter((option) => option.description === '')
        .map((option) => `${command.name()} ${option.flags}`),
      ...command.commands.flatMap((child) => describeAll(child)),
    ]
    expect(describeAll()).toEqual([])
  })
})
