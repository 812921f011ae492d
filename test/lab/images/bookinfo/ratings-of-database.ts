import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { notFound, parseId, serve } from './serve.ts'

// As Istio's, it asks MongoDB unless it is told of MySQL.
const {
  DB_TYPE,
  MYSQL_DB_HOST = 'mysqldb',
  MYSQL_DB_PORT = '3306',
  MONGO_DB_URL = 'mongodb://mongodb:27017/test',
} = process.env
const isMysql = DB_TYPE === 'mysql'
const mongo = new URL(MONGO_DB_URL)
const database = isMysql
  ? { host: MYSQL_DB_HOST, port: Number(MYSQL_DB_PORT) }
  : { host: mongo.hostname, port: Number(mongo.port) }

/** A server of MySQL speaks first, one of MongoDB waits to be asked. */
const askDatabase = (): Promise<string> => {
  const socket = connect({ ...database, timeout: 5000 })
  socket.on('timeout', () => socket.destroy(new Error('the database does not answer')))
  if (!isMysql) socket.write('ratings\n')
  return text(socket)
}

serve(async (_request, path) => {
  if (path === '/health') return { body: { status: 'Ratings is healthy' } }
  const id = parseId(path, '/ratings/')
  if (id === undefined) return notFound
  try {
    return { body: { id: Number(id), ratings: JSON.parse(await askDatabase()) } }
  } catch (error) {
    console.log(error)
    return { status: 500, body: { error: 'could not connect to ratings database' } }
  }
})
