/** A query that is not one, that asks for what is not understood here, or that cannot be answered. The message is for who wrote it. */
export class QueryError extends Error {
  override readonly name = 'QueryError'
}
