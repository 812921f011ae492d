import { Option } from 'commander'
import type { Command } from 'commander'
import { createMember, listMembers, removeMember, updateMember } from '#api/routes/members.ts'
import { createMemberBody } from '#api/schemas/members.ts'
import type { Member } from '#api/schemas/members.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import { collect, toListView } from '../output/list-view.ts'
import { toScopeText } from './token.ts'

type MemberRole = (typeof createMemberBody)['shape']['role']['options'][number]

interface PowerOptions {
  readonly role: MemberRole
  readonly forMesh?: string
  readonly forCluster?: string
  readonly forNamespace?: string
}

export const defineMember = (group: Command, context: CliContext): void => {
  const withPower = (command: Command): Command =>
    command
      .argument('<email>', 'as the identity provider has verified it')
      .addOption(new Option('--role <role>', 'what the member may do').choices(roles).makeOptionMandatory())
      .option('--for-mesh <name>', 'confine the member to a mesh')
      .option('--for-cluster <name>', 'to a cluster of that mesh')
      .option('--for-namespace <name>', 'to a namespace of that mesh: an editor or a viewer')
  addExamples(
    withPower(group.command('add').description('Let somebody sign in.')).action(
      (email: string, options: PowerOptions) => add(context, email, options),
    ),
    [
      ['atoll member add ada@example.com --role admin', 'of the whole org'],
      ['atoll member add bob@example.com --role editor --for-mesh prod --for-namespace shop', 'of one namespace'],
    ],
  )
  addExamples(
    group
      .command('list')
      .description('List the people of the org.')
      .action(() => list(context)),
    [['atoll member list', 'all of them']],
  )
  addExamples(
    withPower(group.command('set').description('Change what a member may do, from now on.')).action(
      (email: string, options: PowerOptions) => change(context, email, options),
    ),
    [['atoll member set bob@example.com --role viewer', 'with no scopes: of the whole org']],
  )
  addExamples(
    group
      .command('remove')
      .description('Let a member sign in no more; tokens of sign-ins end at once.')
      .argument('<email>')
      .action((email: string) => remove(context, email)),
    [['atoll member remove bob@example.com', 'at once']],
  )
}

const roles = createMemberBody.shape.role.options

const toPower = ({ role, forMesh, forCluster, forNamespace }: PowerOptions) => ({
  role,
  scopes: {
    ...(forMesh && { mesh: forMesh }),
    ...(forCluster && { cluster: forCluster }),
    ...(forNamespace && { namespace: forNamespace }),
  },
})

const toView = (member: Member) => ({
  value: member,
  names: [member.id],
  table: () => `${member.email} is ${member.role} of ${toScopeText(member.scopes)}`,
})

const add = async (context: CliContext, email: string, options: PowerOptions): Promise<void> => {
  await context.print(toView(await context.client().call(createMember, { json: { email, ...toPower(options) } })))
}

const list = async (context: CliContext): Promise<void> => {
  const members = await collect(context.client().list(listMembers, {}))
  await context.print(
    toListView(members, {
      headings: ['EMAIL', 'ROLE', 'SCOPE', 'LAST SIGN-IN'],
      row: ({ email, role, scopes, lastSignInAt }) => [email, role, toScopeText(scopes), lastSignInAt ?? 'never'],
      name: ({ id }) => id,
      empty: 'There are no members. "atoll member add" makes one.',
    }),
  )
}

const find = async (context: CliContext, email: string): Promise<Member> => {
  for await (const member of context.client().list(listMembers, {}))
    if (member.email === email.toLowerCase()) return member
  throw new CliError('notFound', `There is no member ${email}`)
}

const change = async (context: CliContext, email: string, options: PowerOptions): Promise<void> => {
  const { id } = await find(context, email)
  await context.print(toView(await context.client().call(updateMember, { params: { id }, json: toPower(options) })))
}

const remove = async (context: CliContext, email: string): Promise<void> => {
  const { id } = await find(context, email)
  await context.client().call(removeMember, { params: { id } })
  await context.print({ value: { id, removed: true }, names: [id], table: () => `${email} can sign in no more` })
}
