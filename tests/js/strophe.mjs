// A chat client on strophe.js over WebSocket (RFC 7395) or, where SERVICE is http, BOSH (XEP-0124), driven by JSON lines as chat.mjs is.
//   node strophe.mjs SERVICE DOMAIN USERNAME RESOURCE    (the password comes as the first line of stdin)
// Commands: {"do":"join","room","nick"} {"do":"say","room","body","id"} {"do":"chat","to","body","id"}
//           {"do":"befriend","to"} {"do":"roster"} {"do":"close"}
import { createInterface } from 'node:readline'
import { Strophe, $iq, $msg, $pres } from 'strophe.js'
import { XMLHttpRequest } from './xhr.mjs'

globalThis.XMLHttpRequest ??= XMLHttpRequest

// The library's own log must not come between the events.
for (const level of ['log', 'info', 'debug', 'warn']) console[level] = console.error
const emit = (event) => process.stdout.write(`${JSON.stringify(event)}\n`)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const [service, domain, username, resource] = process.argv.slice(2)
const password = (await lines.next()).value
const connection = new Strophe.Connection(service)

const USER = 'http://jabber.org/protocol/muc#user'
const STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas'
const all = (element, name) => Array.from(element.getElementsByTagName(name))
const text = (element, name) => { const found = all(element, name)[0]; return found ? found.textContent : null }
function condition(stanza) {
  const error = all(stanza, 'error')[0]
  const found = error && Array.from(error.childNodes).find((c) => c.namespaceURI === STANZAS && c.nodeName !== 'text')
  return found ? found.nodeName : null
}

connection.addHandler((p) => {
  const from = p.getAttribute('from'), type = p.getAttribute('type')
  if (type === 'subscribe') connection.send($pres({ to: Strophe.getBareJidFromJid(from), type: 'subscribed' }))
  const muc = all(p, 'x').find((x) => x.getAttribute('xmlns') === USER)
  const item = muc && all(muc, 'item')[0]
  emit({
    event: 'presence', from, type: type || 'available', statuses: muc ? all(muc, 'status').map((s) => Number(s.getAttribute('code'))) : [],
    affiliation: item ? item.getAttribute('affiliation') : null, role: item ? item.getAttribute('role') : null, error: condition(p),
  })
  return true
}, null, 'presence')
connection.addHandler((m) => {
  emit({
    event: 'message', from: m.getAttribute('from'), id: m.getAttribute('id'), type: m.getAttribute('type') || 'normal', body: text(m, 'body'),
    subject: text(m, 'subject'), stanza_id: all(m, 'stanza-id')[0]?.getAttribute('id') ?? null, error: condition(m),
  })
  return true
}, null, 'message')

const body = (to, type, id, words) => connection.send($msg({ to, type, id }).c('body').t(words))
const commands = {
  join: ({ room, nick }) => connection.send($pres({ to: `${room}/${nick}` }).c('x', { xmlns: 'http://jabber.org/protocol/muc' })),
  say: (c) => body(c.room, 'groupchat', c.id, c.body),
  chat: (c) => body(c.to, 'chat', c.id, c.body),
  befriend: ({ to }) => { connection.send($pres({ to, type: 'subscribed' })); connection.send($pres({ to, type: 'subscribe' })) },
  roster: () => connection.sendIQ($iq({ type: 'get' }).c('query', { xmlns: Strophe.NS.ROSTER }), (answer) => emit({
    event: 'roster', items: all(answer, 'item').map((i) => [i.getAttribute('jid'), i.getAttribute('subscription')]) })),
  close: () => connection.disconnect(),
}
connection.connect(`${username}@${domain}/${resource}`, password, (status) => {
  if (status === Strophe.Status.CONNECTED) {
    connection.send($pres())
    emit({ event: 'online', jid: connection.jid })
  } else if (status === Strophe.Status.AUTHFAIL) {
    emit({ event: 'refused', condition: 'not-authorized' })
    process.exit(1)
  } else if (status === Strophe.Status.DISCONNECTED || status === Strophe.Status.CONNFAIL) {
    emit({ event: 'offline' })
    process.exit(0)
  }
})
for await (const line of lines) {
  const command = JSON.parse(line)
  commands[command.do](command)
}
connection.disconnect()
