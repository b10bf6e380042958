// A chat client on @xmpp/client over WebSocket (RFC 7395), driven by JSON lines: commands on stdin, events
// on stdout. The commands and events are the same as those of the tokio_xmpp_client program.
//   node chat.mjs SERVICE DOMAIN USERNAME RESOURCE    (the password comes as the first line of stdin)
// Commands: {"do":"join"|"leave","room","nick"} {"do":"say","room","body","id"} {"do":"subject","room","body"}
//           {"do":"chat","to","body","id"} {"do":"befriend","to"} {"do":"roster"} {"do":"archive","of","after","id","max"} {"do":"close"}
import { createInterface } from 'node:readline'
import { client, xml } from '@xmpp/client'
import { WebSocket } from 'ws'

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= WebSocket

const emit = (event) => process.stdout.write(`${JSON.stringify(event)}\n`)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const [service, domain, username, resource] = process.argv.slice(2)
const password = (await lines.next()).value
const xmpp = client({ service, domain, username, password, resource })
xmpp.reconnect.stop()

xmpp.on('error', (error) => emit({ event: 'error', condition: error.condition ?? error.code ?? null, text: String(error) }))
xmpp.on('offline', () => { emit({ event: 'offline' }); process.exit(0) })
xmpp.on('disconnect', () => { emit({ event: 'offline' }); process.exit(0) })
xmpp.on('online', async (jid) => {
  await xmpp.send(xml('presence'))
  emit({ event: 'online', jid: jid.toString() })
})

const text = (parent, name) => parent.getChildText(name)
function condition(stanza) {
  const error = stanza.getChild('error')
  const found = error?.children.find((c) => c.attrs?.xmlns === 'urn:ietf:params:xml:ns:xmpp-stanzas' && c.name !== 'text')
  return found?.name ?? null
}
function message(stanza) {
  return {
    from: stanza.attrs.from ?? null, id: stanza.attrs.id ?? null, type: stanza.attrs.type ?? 'normal',
    body: text(stanza, 'body'), subject: stanza.getChild('subject') ? text(stanza, 'subject') ?? '' : null,
    delay: stanza.getChild('delay')?.attrs.stamp ?? null,
    stanza_id: stanza.getChildren('stanza-id', 'urn:xmpp:sid:0').map((s) => s.attrs.id)[0] ?? null,
    error: condition(stanza),
  }
}
xmpp.on('stanza', (stanza) => {
  const from = stanza.attrs.from ?? null
  if (stanza.is('presence')) {
    const muc = stanza.getChild('x', 'http://jabber.org/protocol/muc#user')
    const item = muc?.getChild('item')
    emit({
      event: 'presence', from, type: stanza.attrs.type ?? 'available',
      statuses: (muc?.getChildren('status') ?? []).map((s) => Number(s.attrs.code)),
      affiliation: item?.attrs.affiliation ?? null, role: item?.attrs.role ?? null, error: condition(stanza),
    })
  } else if (stanza.is('message')) {
    const result = stanza.getChild('result', 'urn:xmpp:mam:2')
    const inner = result?.getChild('forwarded', 'urn:xmpp:forward:0')?.getChild('message')
    if (inner) emit({ event: 'archived', query: result.attrs.queryid ?? null, archive_id: result.attrs.id, ...message(inner) })
    else emit({ event: 'message', ...message(stanza) })
  }
})

async function archive({ of, after, id, max }) {
  const set = xml('set', { xmlns: 'http://jabber.org/protocol/rsm' }, xml('max', {}, String(max ?? 50)))
  if (after) set.append(xml('after', {}, after))
  const iq = xml('iq', { type: 'set', ...(of && { to: of }) }, xml('query', { xmlns: 'urn:xmpp:mam:2', queryid: id }, set))
  try {
    const fin = (await xmpp.iqCaller.request(iq)).getChild('fin', 'urn:xmpp:mam:2')
    emit({ event: 'page', query: id, complete: ['true', '1'].includes(fin.attrs.complete), last: fin.getChild('set')?.getChildText('last') ?? null, error: null })
  } catch (error) {
    emit({ event: 'page', query: id, complete: false, last: null, error: error.condition ?? String(error) })
  }
}
const commands = {
  join: ({ room, nick }) => xmpp.send(xml('presence', { to: `${room}/${nick}` }, xml('x', { xmlns: 'http://jabber.org/protocol/muc' }))),
  leave: ({ room, nick }) => xmpp.send(xml('presence', { to: `${room}/${nick}`, type: 'unavailable' })),
  say: ({ room, body, id }) => xmpp.send(xml('message', { to: room, type: 'groupchat', ...(id && { id }) }, xml('body', {}, body))),
  subject: ({ room, body }) => xmpp.send(xml('message', { to: room, type: 'groupchat' }, xml('subject', {}, body))),
  befriend: async ({ to }) => { for (const type of ['subscribed', 'subscribe']) await xmpp.send(xml('presence', { to, type })) },
  roster: async () => {
    const query = await xmpp.iqCaller.get(xml('query', 'jabber:iq:roster'))
    emit({ event: 'roster', items: query.getChildren('item').map((i) => [i.attrs.jid, i.attrs.subscription]) })
  },
  chat: ({ to, body, id }) => xmpp.send(xml('message', { to, type: 'chat', ...(id && { id }) }, xml('body', {}, body))),
  archive,
  close: () => xmpp.stop(),
}

xmpp.start().catch((error) => {
  emit({ event: 'refused', condition: error.condition ?? null, text: String(error) })
  process.exit(1)
})
for await (const line of lines) {
  const command = JSON.parse(line)
  await commands[command.do](command)
}
await xmpp.stop().catch(() => {})
