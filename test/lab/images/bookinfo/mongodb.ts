import { once } from 'node:events'
import { serveDatabase } from './serve-database.ts'

serveDatabase(27_017, { Reviewer1: 2, Reviewer2: 2 }, (socket) => once(socket, 'data'))
