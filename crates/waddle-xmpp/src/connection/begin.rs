//! From a login to a session: binding a resource, resuming one, and what the newer profile of SASL brings along
//! (RFC 6120 §7, XEP-0198 §5, XEP-0386, XEP-0388, XEP-0484).

use std::sync::Arc;

use bytes::Bytes;
use kameo::error::SendError;
use waddle_core::{BareJid, Jid};
use waddle_identity::LoggedIn;
use waddle_outbox::Outbox;
use waddle_stanza::{
    Condition, ErrorType, Outgoing, Stanza, StanzaError, StreamError, XmlWriter, ns,
    sasl::HtBinding,
    sm::{SmRequest, failed},
};
use waddle_storage::repo::{
    archive::{self, ArchiveKey},
    offline,
};

use super::{
    actor::{End, Parked, Probe, TakeOver},
    bound::Buckets,
    effects::{Establish, Input, Offer},
    features,
    lifecycle::PROBE,
    sasl2::{self, BindWish, Wish},
    sm::Sm,
    stream::{Bound, Connection, Mode},
};
use crate::{
    server::Server,
    session::{Flag, Session},
    sessions::Refused,
    xep::SessionEvent,
};

impl Connection {
    /// Binds a resource: the name asked for or one of ours (RFC 6120 §7.6, §7.7).
    pub(super) fn bind(
        &self,
        login: &LoggedIn,
        resource: Option<&str>,
        client: Option<&str>,
    ) -> Result<Jid, StanzaError> {
        let server = &self.server;
        let bare = server
            .account(&login.localpart)
            .ok_or_else(|| StanzaError::new(Condition::InternalServerError))?;
        let made = resource.is_none().then(|| server.random_text::<9>());
        let resource = resource.or(made.as_deref()).unwrap_or_default();
        let jid = bare.with_resource(resource).map_err(|_| {
            StanzaError::new(Condition::BadRequest)
                .text("this resource is not allowed (RFC 7622); choose another")
        })?;
        let limits = &server.limits;
        let outbox = Arc::new(Outbox::new(limits.xmpp_outbox_stanzas, limits.xmpp_outbox_bytes));
        let session = Session::new(
            server.sessions.next_id(),
            jid.clone(),
            login.user.clone(),
            login.credential,
            outbox,
            Some(self.me.clone()),
        );
        session.set_client(client);
        session.set_address(self.peer.address);
        match server.sessions.add(session, limits.xmpp_sessions_per_account) {
            Ok(replaced) => {
                if let Some(actor) = replaced.and_then(|old| old.control()) {
                    let _ = actor.tell(End(StreamError::Conflict)).try_send();
                }
                Ok(jid)
            }
            Err(Refused::Conflict(holder)) => {
                // It may be this client's own lost connection: find that out soon.
                if let Some(actor) = holder.control() {
                    let _ = actor.tell(Probe).try_send();
                }
                Err(StanzaError::new(Condition::Conflict)
                    .text("another connection uses this resource; choose another or try again in a moment"))
            }
            Err(Refused::TooMany) => Err(StanzaError::new(Condition::ResourceConstraint)
                .of_type(ErrorType::Wait)
                .text("this account has too many sessions; end one of them")),
        }
    }

    /// The session of `jid`, just bound by this connection, begins.
    pub(super) async fn start_session(&mut self, jid: &Jid) {
        let Some(session) = self.server.sessions.get(jid) else {
            self.mode = Mode::Over;
            return;
        };
        self.span.record("jid", jid.as_str());
        self.serve(session, None, Buckets::new(&self.server));
        if !self.stands().await {
            return;
        }
        if let Mode::Bound(b) = &self.mode {
            let session = b.session.clone();
            self.server
                .registry
                .session(&self.server, &session, SessionEvent::Bound)
                .await;
        }
    }

    fn serve(&mut self, session: Arc<Session>, sm: Option<Box<Sm>>, buckets: Buckets) {
        self.mode = Mode::Bound(Box::new(Bound { session, sm, buckets }));
        self.set_timer(self.idle_at());
    }

    /// Whether the credential of this stream's session still lives; else the stream ends. What was revoked before the
    /// session was in the table was announced in vain.
    async fn stands(&mut self) -> bool {
        let Mode::Bound(b) = &self.mode else { return false };
        let credential = b.session.credential();
        let error = match self.server.identity.lives(credential).await {
            Ok(true) => return true,
            Ok(false) => StreamError::NotAuthorized,
            Err(e) => {
                tracing::error!(error = %e, "a credential could not be checked");
                StreamError::InternalServerError
            }
        };
        self.close(Some(error), Some("log in again")).await;
        false
    }

    /// Takes a lost session over (XEP-0198 §5).
    pub(super) async fn resume(&mut self, login: &LoggedIn, previd: &str, h: u32) -> Option<Input> {
        match self.claim(login, previd, h).await {
            Ok(parked) => {
                let resumed = parked.sm.resumed(previd);
                if self.adopt(*parked, login).await {
                    self.out.push(resumed);
                    self.go_on();
                }
                None
            }
            Err(failed) => failed.map(|f| Input::NotResumed(Outgoing::nonza(f))),
        }
    }

    /// The session that a client wants to resume; else what to tell it, nothing where this stream is over.
    async fn claim(&mut self, login: &LoggedIn, previd: &str, h: u32) -> Result<Box<Parked>, Option<Bytes>> {
        let of = self.server.sessions.of(&login.localpart);
        let session = of
            .iter()
            .find(|s| s.resumption_id().is_some_and(|id| *id == *previd));
        let parked = match session.and_then(|s| s.control()) {
            Some(actor) => match actor.ask(TakeOver { h }).reply_timeout(PROBE).await {
                Ok(parked) => parked,
                Err(SendError::HandlerError(e)) => {
                    self.close_with(Some(e.to_bytes())).await;
                    return Err(None);
                }
                Err(_) => None,
            },
            None => None,
        };
        parked.ok_or_else(|| {
            let handled = self.server.expired.handled(previd);
            Some(failed(Condition::ItemNotFound, handled))
        })
    }

    /// Makes a session that was claimed this stream's; whether its login still stands.
    async fn adopt(&mut self, parked: Parked, login: &LoggedIn) -> bool {
        let Parked { session, sm, buckets } = parked;
        session.set_control(Some(self.me.clone()));
        session.set_address(self.peer.address);
        session.set_credential(login.credential);
        self.span.record("jid", session.jid.as_str());
        self.serve(session, Some(sm), buckets);
        self.stands().await
    }

    /// Goes on with a session that was adopted, when its client has been told.
    fn go_on(&mut self) {
        let Mode::Bound(b) = &mut self.mode else { return };
        for item in b.sm.iter_mut().flat_map(|sm| sm.resend()) {
            self.out.push(item);
        }
        self.flush = true;
        b.session.set(Flag::Hibernating, false);
        // XEP-0352 §5.2: a resumed stream is active.
        b.session.outbox.hold(false);
    }

    /// Does what a client wished with its login, and tells it how that went (XEP-0388 §2.6.1).
    pub(super) async fn establish(&mut self, e: Establish) -> Option<Input> {
        let Establish {
            login,
            data,
            wish,
            rotate,
        } = e;
        let server = self.server.clone();
        let has = |number| server.registry.has(number);
        let Some(bare) = server.account(&login.localpart) else {
            return Some(Input::NotEstablished);
        };
        let mut more = XmlWriter::new();
        let resume = wish.resume.as_ref().filter(|_| has(198));
        if let Some((previd, h)) = resume {
            match self.claim(&login, previd, *h).await {
                Ok(parked) => {
                    more.trusted(&parked.sm.resumed(previd).concat());
                    if self.adopt(*parked, &login).await {
                        new_token(&server, &login, &wish, rotate, &mut more).await;
                        self.succeed(&data, bare.as_str(), more);
                        self.go_on();
                    }
                    return None;
                }
                Err(Some(failed)) => {
                    more.trusted(&failed);
                }
                Err(None) => return None,
            }
        }
        let Some(bind) = wish.bind.as_ref().filter(|_| has(386)) else {
            new_token(&server, &login, &wish, rotate, &mut more).await;
            self.out.push(Outgoing::nonza(sasl2::success(
                &data,
                bare.as_str(),
                &more.finish(),
            )));
            return Some(Input::Established);
        };
        let jid = match self.bind2(&login, &wish, bind).await {
            Ok(jid) => jid,
            Err(e) => {
                tracing::debug!(parent: &self.span, condition = e.kind.name(), "no resource could be bound");
                return Some(Input::NotEstablished);
            }
        };
        let state = archive_state(&server, &login, &bare).await;
        self.start_session(&jid).await;
        if !matches!(self.mode, Mode::Bound(_)) {
            return None;
        }
        more.open_ns("bound", ns::BIND2);
        more.trusted(&state);
        if let Some((resume, max)) = bind.sm.filter(|_| has(198))
            && let Ok(Some(answer)) = self.stream_management(Some(SmRequest::Enable { resume, max }))
        {
            more.trusted(&answer.concat());
        }
        more.close();
        if let Mode::Bound(b) = &self.mode {
            b.session.set(Flag::Carbons, bind.carbons && has(280));
            b.session.outbox.hold(bind.inactive && has(352));
        }
        new_token(&server, &login, &wish, rotate, &mut more).await;
        self.succeed(&data, jid.as_str(), more);
        None
    }

    /// `<success/>` and the features of a stream that needs nothing more.
    fn succeed(&mut self, data: &[u8], identity: &str, more: XmlWriter) {
        let success = sasl2::success(data, identity, &more.finish());
        self.out.push(Outgoing::nonza(success));
        let offer = Offer {
            session: true,
            ..Offer::default()
        };
        self.out.push(features::write(&self.server, &offer));
        self.flush = true;
    }

    /// A resource for a client, the same each time where it says which client it is; its earlier sessions end
    /// (XEP-0386 §3.2).
    async fn bind2(&mut self, login: &LoggedIn, wish: &Wish, bind: &BindWish) -> Result<Jid, StanzaError> {
        let server = self.server.clone();
        let tag = bind.tag.as_deref();
        let client = wish.client.as_deref();
        if let Some(client) = client {
            let same = |s: &Session| s.client().is_some_and(|c| *c == *client);
            for old in server.sessions.of(&login.localpart).iter().filter(|s| same(s)) {
                if let Some(actor) = old.control() {
                    let _ = actor.ask(End(StreamError::Conflict)).reply_timeout(PROBE).await;
                }
            }
        }
        let made = match client {
            Some(client) => {
                let identity = &server.identity;
                identity.stable_resource(&login.user, client, tag.unwrap_or_default())
            }
            None => server.random_text::<9>(),
        };
        let tagged = tag.map(|t| [t, "/", &made].concat());
        let fits = |r: &&str| BareJid::new(None, "x").is_ok_and(|j| j.with_resource(r).is_ok());
        let resource = tagged.as_deref().filter(fits).unwrap_or(&made);
        self.bind(login, Some(resource), client)
    }
}

/// Forgets what waits for the account and is in its archive, where a client that binds this way looks for it; and
/// says between which messages that is (XEP-0386 §3.2).
async fn archive_state(server: &Server, login: &LoggedIn, bare: &BareJid) -> Bytes {
    if !server.registry.has(313) {
        return Bytes::new();
    }
    let (owner, by) = (login.localpart.clone(), bare.clone());
    let key = ArchiveKey::user(&login.user);
    let read = server.db.write(move |tx| {
        offline::forget(tx, &owner, |stanza| is_archived(stanza, &by))?;
        archive::ends(tx, &key)
    });
    let ends = match read.await {
        Ok(ends) => ends,
        Err(e) => {
            tracing::error!(error = %e, "an archive could not be read");
            return Bytes::new();
        }
    };
    let mut w = XmlWriter::new();
    w.open_ns("metadata", ns::MAM);
    if let Some(e) = ends {
        for (name, (id, at)) in [("start", e.first), ("end", e.last)] {
            w.open(name)
                .attr_display("id", id)
                .attr_display("timestamp", at)
                .close();
        }
    }
    w.finish()
}

/// A token for the next login, where the client wants one or the one it has is old (XEP-0484 §3.3, §3.5).
async fn new_token(
    server: &Server,
    login: &LoggedIn,
    wish: &Wish,
    rotate: Option<HtBinding>,
    more: &mut XmlWriter,
) {
    let wanted = wish.token.or(rotate).filter(|_| server.registry.has(484));
    let (Some(mechanism), Some(client)) = (wanted, wish.client.as_deref()) else {
        return;
    };
    let identity = &server.identity;
    match identity.issue_fast(login, client, &wish.label(), mechanism).await {
        Ok(new) => {
            more.open_ns("token", ns::FAST)
                .attr_display("expiry", new.expires_at)
                .attr("token", new.token.expose())
                .close();
        }
        Err(e) => tracing::error!(error = %e, "no token could be made"),
    }
}

/// Whether a message that waits was given its place in the archive of its recipient.
fn is_archived(stanza: &Bytes, by: &BareJid) -> bool {
    Stanza::parse(stanza.clone()).is_ok_and(|s| {
        s.root()
            .children()
            .any(|c| c.is("stanza-id", ns::SID) && c.attr("by").is_some_and(|b| b == by.as_str()))
    })
}
