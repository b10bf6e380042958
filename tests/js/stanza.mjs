// A chat client on stanza.js over WebSocket (RFC 7395), driven by JSON lines as chat.mjs is.
//   node stanza.mjs SERVICE DOMAIN USERNAME RESOURCE    (the password comes as the first line of stdin)
// Commands: {"do":"join","room","nick"} {"do":"say","room","body","id"} {"do":"chat","to","body","id"}
//           {"do":"befriend","to"} {"do":"roster"} {"do":"close"}
import { createInterface } from 'node:readline'
import { createClient } from 'stanza'

const emit = (event) => process.stdout.write(`${JSON.stringify(event)}\n`)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const [service, domain, username, resource] = process.argv.slice(2)
const password = (await lines.next()).value
const client = createClient({ jid: `${username}@${domain}`, resource, password, autoReconnect: false, transports: { websocket: service, bosh: false } })

client.on('session:started', () => {
  client.sendPresence()
  emit({ event: 'online', jid: client.jid })
})
client.on('auth:failed', () => { emit({ event: 'refused', condition: 'not-authorized' }); process.exit(1) })
client.on('disconnected', () => { emit({ event: 'offline' }); process.exit(0) })
client.on('subscribe', ({ from }) => client.acceptSubscription(from))
client.on('presence', (p) => emit({
  event: 'presence', from: p.from ?? null, type: p.type ?? 'available', statuses: (p.muc?.statusCodes ?? []).map(Number),
  affiliation: p.muc?.affiliation ?? null, role: p.muc?.role ?? null, error: p.error?.condition ?? null,
}))
client.on('message', (m) => emit({
  event: 'message', from: m.from ?? null, id: m.id ?? null, type: m.type ?? 'normal', body: m.body ?? null,
  subject: m.subject ?? null, stanza_id: m.stanzaIds?.[0]?.id ?? null, error: m.error?.condition ?? null,
}))

const commands = {
  join: ({ room, nick }) => client.joinRoom(room, nick),
  say: ({ room, body, id }) => client.sendMessage({ to: room, type: 'groupchat', body, id }),
  chat: ({ to, body, id }) => client.sendMessage({ to, type: 'chat', body, id }),
  befriend: ({ to }) => { client.acceptSubscription(to); client.subscribe(to) },
  roster: async () => emit({ event: 'roster', items: (await client.getRoster()).items.map((i) => [i.jid, i.subscription]) }),
  close: () => client.disconnect(),
}
client.connect()
for await (const line of lines) {
  const command = JSON.parse(line)
  Promise.resolve(commands[command.do](command)).catch((error) => emit({ event: 'error', text: error?.error?.condition ?? String(error) }))
}
client.disconnect()
