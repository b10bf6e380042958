// mqtt.js over WebSocket: subscribes to one filter and prints what comes as JSON lines.
//   node mqtt.mjs URL USERNAME FILTER    (the password comes as the first line of stdin)
import { createInterface } from 'node:readline'
import mqtt from 'mqtt'

const emit = (event) => process.stdout.write(`${JSON.stringify(event)}\n`)
const [url, username, filter] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const password = (await lines.next()).value
const client = mqtt.connect(url, { username, password, protocolVersion: 5, reconnectPeriod: 0 })
client.on('error', (error) => emit({ event: 'error', code: error.code ?? null, text: String(error) }))
client.on('close', () => { emit({ event: 'offline' }); process.exit(0) })
client.on('disconnect', (packet) => emit({ event: 'disconnect', code: packet.reasonCode }))
client.on('message', (topic, payload, packet) => emit({ event: 'message', topic, payload: payload.toString(), retain: packet.retain }))
client.on('connect', () => client.subscribe(filter, { qos: 1 }, (error, granted) =>
  emit({ event: 'subscribed', code: granted?.[0]?.qos ?? null, error: error ? String(error) : null })))
for await (const _ of lines);
client.end()
