import 'reflect-metadata'
import { createApp } from './app.ts'
import './env.ts'

export { Mesh } from './mesh/mesh.ts'

export default createApp()
