//! Everything of one person as one XML document, in the format for moving between servers
//! ([XEP-0227](https://xmpp.org/extensions/xep-0227.html) 1.1): roster and waiting requests, vCard, private storage,
//! blocked addresses, nodes with configuration, lists and items, messages that wait, the archive. Secrets are not in it.

use std::{
    fs::File,
    io::{BufWriter, Seek, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

use waddle_core::{BareJid, MessageId, SessionId, Timestamp, UserId};
use waddle_pubsub::{Config, ns as pubsub};
use waddle_stanza::{XmlWriter, forms::FormKind, ns};
use waddle_storage::{
    Conn, Result, Storage, StorageError,
    repo::{
        archive::{self, ArchiveKey, Filter, Start},
        blocking, offline, personal, pubsub as nodes, pubsub_items as items, roster,
    },
};

use crate::{router::deliver::delayed, xep::rfc6121_roster};

const PIE: &str = "urn:xmpp:pie:0";
const PIE_ARCHIVE: &str = "urn:xmpp:pie:0#mam";
/// Items and archived messages read at a time.
const PAGE: usize = 500;
/// Waiting messages read at a time; each may be as long as a stanza.
const FEW: usize = 50;

/// Documents that are being written.
static WRITING: AtomicUsize = AtomicUsize::new(0);

struct Place;

impl Place {
    fn take(most: usize) -> Option<Self> {
        let taken = WRITING.fetch_add(1, Ordering::Relaxed);
        // The place goes back when it is dropped, also where there was none.
        Some(Self).filter(|_| taken < most)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        WRITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The document of an account as it is now, in a file without a name, open at its start; and its length.
///
/// # Errors
/// [`StorageError::Busy`] while `at_a_time` are being written.
pub async fn of(storage: &Storage, user: UserId, jid: BareJid, at_a_time: usize) -> Result<(u64, File)> {
    let _place = Place::take(at_a_time).ok_or(StorageError::Busy)?;
    let path = storage.scratch(&format!("{}.xml", SessionId::new()))?;
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path);
    let file = file.map_err(|e| failed(&e))?;
    std::fs::remove_file(&path).map_err(|e| failed(&e))?;
    storage
        .server_snapshot(move |conn| document(conn, &user, &jid, file))
        .await
}

fn failed(e: &std::io::Error) -> StorageError {
    StorageError::Io(format!("writing an export: {e}").into())
}

struct Out(BufWriter<File>);

impl Out {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(|e| failed(&e))
    }
}

fn document(conn: &Conn, user: &UserId, jid: &BareJid, file: File) -> Result<(u64, File)> {
    let mut out = Out(BufWriter::with_capacity(1 << 16, file));
    let name = jid.local().unwrap_or_default();
    let mut w = XmlWriter::new();
    w.open_ns("server-data", PIE);
    w.open("host").attr("jid", jid.domain());
    w.open("user").attr("name", name);
    out.put(&w.finish_open())?;
    contacts(conn, name, &mut out)?;
    if let Some(card) = personal::vcard(conn, name)? {
        out.put(&card.vcard)?;
    }
    let mut w = XmlWriter::new();
    w.open_ns("query", "jabber:iq:private");
    for element in personal::privates(conn, name)? {
        w.trusted(&element);
    }
    out.put(&w.finish())?;
    let mut w = XmlWriter::new();
    w.open_ns("blocklist", ns::BLOCKING);
    for blocked in blocking::list(conn, name)? {
        w.open("item").attr("jid", blocked.as_str()).close();
    }
    out.put(&w.finish())?;
    each_node(conn, name, pubsub::OWNER, &mut out, node_settings)?;
    each_node(conn, name, pubsub::PUBSUB, &mut out, node_items)?;
    waiting(conn, jid, &mut out)?;
    messages(conn, user, &mut out)?;
    out.put(b"</user></host></server-data>\n")?;
    let mut file = out.0.into_inner().map_err(|e| failed(e.error()))?;
    let bytes = file.stream_position().map_err(|e| failed(&e))?;
    file.rewind().map_err(|e| failed(&e))?;
    Ok((bytes, file))
}

/// The roster, and requests that wait for an answer.
fn contacts(conn: &Conn, name: &str, out: &mut Out) -> Result<()> {
    let all = roster::all(conn, name)?;
    let mut w = XmlWriter::new();
    w.open_ns("query", ns::ROSTER);
    for contact in all.iter().filter(|c| c.listed) {
        rfc6121_roster::item(&mut w, contact);
    }
    out.put(&w.finish())?;
    for request in all.iter().filter_map(|c| c.request.as_ref()) {
        out.put(request)?;
    }
    Ok(())
}

/// One `<pubsub/>` with something of each node (§4.10).
fn each_node(
    conn: &Conn,
    name: &str,
    ns: &str,
    out: &mut Out,
    show: fn(&Conn, &nodes::Node, &mut Out) -> Result<()>,
) -> Result<()> {
    let mut w = XmlWriter::new();
    w.open_ns("pubsub", ns);
    out.put(&w.finish_open())?;
    let mut after = String::new();
    while let Some(node) = nodes::nodes(conn, name, &after, 1)?.into_iter().next() {
        show(conn, &node, out)?;
        after = node.name;
    }
    out.put(b"</pubsub>")
}

/// A node's configuration, and who has or gets something there.
fn node_settings(conn: &Conn, node: &nodes::Node, out: &mut Out) -> Result<()> {
    let mut w = XmlWriter::new();
    w.open("configure").attr("node", &node.name);
    Config::from_stored(&node.config)
        .to_form(FormKind::Form)
        .write(&mut w);
    out.put(&w.finish())?;
    let people = nodes::affiliations(conn, node.id)?;
    if !people.is_empty() {
        let mut w = XmlWriter::new();
        w.open("affiliations").attr("node", &node.name);
        for (jid, affiliation) in &people {
            w.open("affiliation").attr("jid", jid.as_str());
            w.attr("affiliation", affiliation).close();
        }
        out.put(&w.finish())?;
    }
    let subscriptions = nodes::subscriptions(conn, node.id)?;
    if !subscriptions.is_empty() {
        let mut w = XmlWriter::new();
        w.open("subscriptions").attr("node", &node.name);
        for s in &subscriptions {
            let state = if s.pending { "pending" } else { "subscribed" };
            w.open("subscription").attr("jid", s.jid.as_str());
            w.attr("subscription", state).attr("subid", &s.subid).close();
        }
        out.put(&w.finish())?;
    }
    Ok(())
}

/// A node's items, oldest first.
fn node_items(conn: &Conn, node: &nodes::Node, out: &mut Out) -> Result<()> {
    let mut w = XmlWriter::new();
    w.open("items").attr("node", &node.name);
    out.put(&w.finish_open())?;
    let mut seq = i64::MIN;
    loop {
        let page = items::after(conn, node.id, seq, Timestamp(0), PAGE)?;
        for item in &page {
            let mut w = XmlWriter::new();
            w.open("item").attr("id", &item.id);
            if let Some(payload) = &item.payload {
                w.trusted(payload);
            }
            out.put(&w.finish())?;
        }
        match page.last() {
            Some(last) if page.len() == PAGE => seq = last.seq,
            _ => break,
        }
    }
    out.put(b"</items>")
}

/// What waits for the account (§4.5), as a client would get it: with the time at which the server took it.
fn waiting(conn: &Conn, jid: &BareJid, out: &mut Out) -> Result<()> {
    let name = jid.local().unwrap_or_default();
    out.put(b"<offline-messages>")?;
    let mut after = None;
    loop {
        let page = offline::page(conn, name, after, FEW)?;
        for (at, _, stanza) in &page {
            out.put(&delayed(stanza.clone(), *at, jid.domain()).concat())?;
        }
        match page.last() {
            Some((at, id, _)) if page.len() == FEW => after = Some((*at, *id)),
            _ => break,
        }
    }
    out.put(b"</offline-messages>")
}

/// The archive, each message as the archive gives it out (XEP-0313).
fn messages(conn: &Conn, user: &UserId, out: &mut Out) -> Result<()> {
    let mut w = XmlWriter::new();
    w.open_ns("archive", PIE_ARCHIVE);
    out.put(&w.finish_open())?;
    let (key, mut start) = (ArchiveKey::user(user), Start::First);
    loop {
        let page = archive::page(conn, &key, &Filter::default(), start, PAGE, false)?;
        for m in &page.items {
            out.put(&message(m.id, m.at, &m.stanza))?;
        }
        match page.ends() {
            Some((_, last)) if !page.complete => start = Start::After(last),
            _ => break,
        }
    }
    out.put(b"</archive>")
}

fn message(id: MessageId, at: Timestamp, stanza: &[u8]) -> Vec<u8> {
    let mut w = XmlWriter::new();
    w.open_ns("result", ns::MAM).attr_display("id", id);
    w.open_ns("forwarded", ns::FORWARD);
    w.open_ns("delay", ns::DELAY).attr_display("stamp", at).close();
    w.trusted(stanza);
    w.finish().to_vec()
}
