//! Running commands and showing them in disco (XEP-0050 §2).

use std::{sync::Arc, time::Duration};

use waddle_core::Jid;
use waddle_stanza::{
    Condition, Element, Kind, StanzaError, XmlWriter,
    disco::{DiscoInfo, DiscoItem, DiscoItems, Identity},
    forms::Form,
    ns,
};

use super::{
    Asker, Command, Done, Place, Step, bad, forbidden,
    progress::{Action, Move, Progress},
    registry,
    sessions::Running,
};
use crate::{
    router::{Routed, Sent, iq},
    server::Server,
    session::Session,
    xep::{Answer, IqResult},
};

/// Who asks, as the database says now. A program that was given a token is no administrator, whoever gave it; but who
/// logs in with a DID has no password to show.
pub(crate) async fn asker<'a>(
    server: &'a Arc<Server>,
    session: &'a Arc<Session>,
    place: Place,
    address: &'a str,
) -> Asker<'a> {
    let admin = match server.identity.by_user(&session.user).await {
        Ok(Some(a)) if a.admin => a.did.is_some() || themselves(server, session).await,
        _ => false,
    };
    Asker {
        server,
        session,
        place,
        address,
        admin,
    }
}

/// Whether a session began with what its owner alone has: their password.
pub(super) async fn themselves(server: &Server, session: &Session) -> bool {
    let entitled = server.identity.may_change_account(session.credential()).await;
    matches!(entitled, Ok(true))
}

/// What a command says, ready for the wire.
struct Reply<'a> {
    id: &'a str,
    node: &'a str,
    status: &'static str,
}

impl Reply<'_> {
    fn open(&self) -> XmlWriter {
        let mut w = XmlWriter::new();
        w.open_ns("command", ns::COMMANDS)
            .attr("sessionid", self.id)
            .attr("node", self.node)
            .attr("status", self.status)
            .attr("xml:lang", "en");
        w
    }

    fn ask(self, p: &Progress) -> IqResult {
        let mut w = self.open();
        let forward = if p.more { "next" } else { "complete" };
        w.open("actions").attr("execute", forward);
        if !p.answers.is_empty() {
            w.open("prev").close();
        }
        w.open(forward).close().close();
        p.shown.write(&mut w);
        w.close();
        Ok(Answer::Payload(w))
    }

    fn done(self, done: &Done) -> IqResult {
        let mut w = self.open();
        if let Some(form) = &done.form {
            form.write(&mut w);
        }
        if let Some(payload) = &done.payload {
            w.trusted(payload);
        }
        for (severity, text) in &done.notes {
            w.open("note").attr("type", severity.name()).text(text).close();
        }
        w.close();
        Ok(Answer::Payload(w))
    }
}

/// §4.1: a language that is none cannot be spoken; all others are answered in English.
fn check_language(command: Element<'_>) -> Result<(), StanzaError> {
    match command.attr_ns("lang", ns::XML) {
        Some(l) if l.is_empty() || !l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
            Err(bad("bad-locale"))
        }
        _ => Ok(()),
    }
}

/// Runs or goes on with a command.
pub(crate) async fn execute(asker: &Asker<'_>, element: Element<'_>) -> IqResult {
    let node = element.attr("node").filter(|n| !n.is_empty());
    let node = node.ok_or_else(|| StanzaError::new(Condition::BadRequest).text("node is missing"))?;
    let command = registry::find(&node, asker.place).ok_or(Condition::ItemNotFound)?;
    if !registry::may(command, asker).await {
        return Err(forbidden());
    }
    check_language(element)?;
    let action = Action::read(element.attr("action").as_deref())?;
    match element.attr("sessionid") {
        None => begin(asker, command, action, Form::within(element).as_ref()).await,
        Some(id) => go_on(asker, command, action, &id, Form::within(element).as_ref()).await,
    }
}

async fn begin(asker: &Asker<'_>, command: &dyn Command, action: Action, form: Option<&Form>) -> IqResult {
    if action != Action::Execute {
        return Err(bad("bad-action").text("this command has not begun"));
    }
    let owner = &asker.session.jid;
    let id = asker
        .server
        .commands
        .new_id(owner, &asker.server.random_text::<12>());
    let step = command.step(asker, &[]).await?;
    // Who knows the form may send it along at once (XEP-0317 §3.3).
    if let (Step::Ask { form: shown, more }, Some(_)) = (&step, form) {
        let first = Progress {
            answers: Vec::new(),
            shown: shown.clone(),
            more: *more,
        };
        if let Move::Ask(answers) = first.act(action, form)? {
            let step = command.step(asker, &answers).await?;
            return answer(asker, command, id, answers, step);
        }
    }
    answer(asker, command, id, Vec::new(), step)
}

async fn go_on(
    asker: &Asker<'_>,
    command: &dyn Command,
    action: Action,
    id: &str,
    form: Option<&Form>,
) -> IqResult {
    let server = asker.server;
    let (now, age) = (
        server.now(),
        Duration::from_secs(server.limits.xmpp_command_seconds),
    );
    let running = server.commands.take(&asker.session.jid, id, now, age)?;
    let back = |running: Running| {
        server
            .commands
            .put(running, server.limits.xmpp_commands_per_account);
    };
    if running.node != command.node() || running.place != asker.place || running.address != asker.address {
        back(running);
        return Err(bad("bad-sessionid").text("this session is another command's"));
    }
    let answers = match running.progress.act(action, form) {
        Ok(Move::Ask(answers)) => answers,
        Ok(Move::Cancel) => {
            let reply = Reply {
                id,
                node: command.node(),
                status: "canceled",
            };
            return reply.done(&Done::default());
        }
        Err(e) => {
            back(running);
            return Err(e);
        }
    };
    match command.step(asker, &answers).await {
        Ok(step) => answer(asker, command, running.id, answers, step),
        Err(e) => {
            back(running);
            Err(e)
        }
    }
}

fn answer(asker: &Asker<'_>, command: &dyn Command, id: String, answers: Vec<Form>, step: Step) -> IqResult {
    let reply = |id, status| Reply {
        id,
        node: command.node(),
        status,
    };
    match step {
        Step::Done(done) => reply(&id, "completed").done(&done),
        Step::Ask { form, more } => {
            let progress = Progress {
                answers,
                shown: form,
                more,
            };
            let said = reply(&id, "executing").ask(&progress);
            let running = Running {
                id,
                owner: asker.session.jid.clone(),
                node: command.node(),
                place: asker.place,
                address: asker.address.to_owned(),
                at: asker.server.now(),
                progress,
            };
            let max = asker.server.limits.xmpp_commands_per_account;
            asker.server.commands.put(running, max);
            said
        }
    }
}

/// Disco of the list of commands and of each; `None`: the node is none of these.
pub(crate) async fn disco(asker: &Asker<'_>, node: &str, items: bool) -> Option<IqResult> {
    let list = node == ns::COMMANDS;
    let command = registry::find(node, asker.place);
    if !list && command.is_none() {
        return None;
    }
    if let Some(c) = command
        && !registry::may(c, asker).await
    {
        return Some(Err(forbidden()));
    }
    let mut w = XmlWriter::new();
    if items {
        let commands = if list {
            registry::of(asker).await
        } else {
            Vec::new()
        };
        let item = |c: &&dyn Command| DiscoItem {
            jid: asker.address.to_owned(),
            node: Some(c.node().to_owned()),
            name: Some(c.name().to_owned()),
        };
        DiscoItems {
            node: Some(node.to_owned()),
            items: commands.iter().map(item).collect(),
            ..DiscoItems::default()
        }
        .write(&mut w);
    } else {
        let (kind, name) = command.map_or(("command-list", "Commands"), |c| ("command-node", c.name()));
        DiscoInfo {
            node: Some(node.to_owned()),
            identities: vec![Identity::new("automation", kind, name)],
            features: vec![ns::COMMANDS.to_owned(), ns::DATA.to_owned()],
            ..DiscoInfo::default()
        }
        .write(&mut w);
    }
    Some(Ok(Answer::Payload(w)))
}

/// The way in for commands of the rooms' host and of rooms: whether a stanza to them is about commands that are offered
/// there. `None`: it is for the rooms themselves.
pub(crate) fn to_rooms(sent: &Sent, to: &Jid) -> Option<Routed> {
    let offered = || registry::ALL.iter().any(|c| c.places().contains(&Place::Rooms));
    if sent.stanza.kind() != Kind::Iq || !to.is_bare() || !offered() {
        return None;
    }
    let payload = sent.stanza.payload()?;
    let disco = payload.in_ns(ns::DISCO_INFO) || payload.in_ns(ns::DISCO_ITEMS);
    let node = payload.attr("node")?;
    let ours = payload.is("command", ns::COMMANDS)
        || disco && (node == ns::COMMANDS || registry::find(&node, Place::Rooms).is_some());
    if !ours {
        return None;
    }
    let address = to.as_str().to_owned();
    Some(iq::serve(sent.clone(), move |sent| async move {
        let session = sent.session();
        let asker = asker(&sent.server, &session, Place::Rooms, &address).await;
        let payload = sent.stanza.payload().ok_or(Condition::BadRequest)?;
        match payload.attr("node") {
            Some(node) if !payload.in_ns(ns::COMMANDS) => {
                let found = disco_of(&asker, &node, payload).await;
                found.unwrap_or_else(|| Err(Condition::ItemNotFound.into()))
            }
            _ => execute(&asker, payload).await,
        }
    }))
}

async fn disco_of(asker: &Asker<'_>, node: &str, payload: Element<'_>) -> Option<IqResult> {
    disco(asker, node, payload.in_ns(ns::DISCO_ITEMS)).await
}
