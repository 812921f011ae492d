import { serveDatabase } from './serve-database.ts'

serveDatabase(3306, { Reviewer1: 3, Reviewer2: 3 }, () => Promise.resolve())
