/** Passes connections to a TCP port of its network namespace on to a Unix domain socket: `node relay.ts <port> <socket>`. */
import { connect, createServer } from 'node:net'

const [port, path = ''] = process.argv.slice(2)

createServer((incoming) => {
  const outgoing = connect(path)
  incoming.on('error', () => outgoing.destroy())
  outgoing.on('error', () => incoming.destroy())
  incoming.pipe(outgoing).pipe(incoming)
}).listen(Number(port), '0.0.0.0', () => process.stdout.write('ready\n'))
