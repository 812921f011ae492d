import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'

/** The fields of a message that is still to be made; unlike `MessageInitShape` not a made message, so that it can be spread. */
export type MessageFields<Desc extends DescMessage> = Extract<MessageInitShape<Desc>, { readonly $typeName?: never }>
