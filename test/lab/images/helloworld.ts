import { notFound, serve } from './bookinfo/serve.ts'

const { SERVICE_VERSION, HOSTNAME } = process.env

serve(
  (_request, path) =>
    path === '/hello' ? { body: `Hello version: ${SERVICE_VERSION}, instance: ${HOSTNAME}\n` } : notFound,
  5000,
)
