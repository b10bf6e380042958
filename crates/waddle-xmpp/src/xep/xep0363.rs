//! [XEP-0363](https://xmpp.org/extensions/xep-0363.html) HTTP File Upload: slots, at `upload.<domain>`. The files
//! themselves go over HTTP, to `waddle-files`.

use std::sync::Arc;

use waddle_core::Jid;
use waddle_files::{Files, Purpose, Refusal, SlotRequest};
use waddle_stanza::{
    Condition, ErrorType, Kind, StanzaError, XmlWriter,
    disco::{DiscoInfo, DiscoItems, Identity},
    forms::{Field, FieldKind, Form, FormKind},
    ns,
};

use super::{Answer, Extension, IqResult, Xep};
use crate::{
    router::{Routed, Sent, iq},
    server::Server,
    service::Service,
};

/// The namespace of slots.
pub const UPLOAD: &str = "urn:xmpp:http:upload:0";
/// The namespace of purposes.
pub const PURPOSE: &str = "urn:xmpp:http:upload:purpose:0";

/// HTTP File Upload.
pub struct FileUpload;

impl Extension for FileUpload {
    fn xep(&self) -> Xep {
        Xep {
            number: 363,
            title: "HTTP File Upload",
            version: "1.2.0",
            notes: "at `upload.<domain>`, with quotas; purposes message, profile and ephemeral",
        }
    }
}

/// Offers uploads at `upload.<domain>`. `false` where something else has that host, or the extension is switched off.
pub fn offer(server: &Server, files: Files) -> bool {
    let host = ["upload.", &server.config.domain].concat();
    server.registry.has(363) && server.services.add(&host, Arc::new(Upload { files }))
}

/// The service.
struct Upload {
    files: Files,
}

impl Service for Upload {
    fn name(&self) -> &'static str {
        "HTTP File Upload"
    }

    fn route(&self, sent: Sent, to: Jid) -> Routed {
        match sent.stanza.kind() {
            Kind::Iq if to.local().is_none() && to.is_bare() => {}
            Kind::Presence => return Routed::Done,
            _ => return Routed::from(Condition::ServiceUnavailable),
        }
        let files = self.files.clone();
        iq::serve(sent, move |sent| answer(files, sent))
    }
}

async fn answer(files: Files, sent: Sent) -> IqResult {
    let Some(payload) = sent.stanza.payload() else {
        return Err(Condition::BadRequest.into());
    };
    let mut w = XmlWriter::new();
    match (payload.name(), payload.ns()) {
        _ if sent.stanza.is_type("set") => return Err(Condition::ServiceUnavailable.into()),
        ("query", ns::DISCO_INFO | ns::DISCO_ITEMS) if payload.attr("node").is_some() => {
            return Err(Condition::ItemNotFound.into());
        }
        ("query", ns::DISCO_INFO) => info(&files).write(&mut w),
        ("query", ns::DISCO_ITEMS) => DiscoItems::default().write(&mut w),
        ("ping", ns::PING) => return Ok(Answer::Empty),
        ("request", UPLOAD) => slot(&files, &sent, &mut w).await?,
        _ => return Err(Condition::ServiceUnavailable.into()),
    }
    Ok(Answer::Payload(w))
}

fn info(files: &Files) -> DiscoInfo {
    let most = Field {
        kind: None,
        ..Field::new("max-file-size", FieldKind::TextSingle).value(files.max_bytes().to_string())
    };
    let purposes = ["message", "profile", "ephemeral"].map(|p| [PURPOSE, "#", p].concat());
    let mut features = vec![ns::DISCO_INFO.to_owned(), UPLOAD.to_owned(), ns::PING.to_owned()];
    features.extend(purposes);
    features.sort_unstable();
    DiscoInfo {
        identities: vec![Identity::new("store", "file", "HTTP File Upload")],
        features,
        forms: vec![Form::of_type(FormKind::Result, UPLOAD).field(most)],
        ..DiscoInfo::default()
    }
}

async fn slot(files: &Files, sent: &Sent, w: &mut XmlWriter) -> Result<(), StanzaError> {
    let Some(owner) = sent.origin.user().cloned() else {
        let e = StanzaError::new(Condition::Forbidden);
        return Err(e.text("only accounts of this server may upload here"));
    };
    let wanted = {
        let Some(request) = sent.stanza.payload() else {
            return Err(Condition::BadRequest.into());
        };
        let bad = |text| StanzaError::new(Condition::BadRequest).text(text);
        let size = request
            .attr("size")
            .ok_or_else(|| bad("the attribute size is missing"))?;
        // xs:positiveInteger; what does not fit into a number is too large in any case
        let digits = !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit());
        let size = size.parse().unwrap_or(u64::MAX);
        if !digits || size == 0 {
            return Err(bad("size is the file's length in bytes, at least 1"));
        }
        let name = request
            .attr("filename")
            .ok_or_else(|| bad("the attribute filename is missing"))?;
        SlotRequest {
            owner,
            name: name.into_owned(),
            size,
            kind: request
                .attr("content-type")
                .map(Into::into)
                .filter(|k: &String| !k.is_empty()),
            purpose: purpose(request)?,
        }
    };
    let slot = match files.slot(wanted).await {
        Ok(Ok(slot)) => slot,
        Ok(Err(refusal)) => return Err(refused(refusal)),
        Err(error) => {
            tracing::error!(%error, "no upload slot could be given");
            let e = StanzaError::new(Condition::InternalServerError).of_type(ErrorType::Wait);
            return Err(e.text("files cannot be taken at the moment; try again later"));
        }
    };
    w.open_ns("slot", UPLOAD);
    w.open("put").attr("url", &slot.put).close();
    w.open("get").attr("url", &slot.get).close();
    w.close();
    Ok(())
}

/// §5: what the file is for; without a word, a message.
fn purpose(request: waddle_stanza::Element<'_>) -> Result<Purpose, StanzaError> {
    let Some(p) = request.children().find(|c| c.in_ns(PURPOSE)) else {
        return Ok(Purpose::Message);
    };
    match p.name() {
        "message" => Ok(Purpose::Message),
        "profile" => Ok(Purpose::Profile),
        "ephemeral" => {
            let before = p.attr("expire-before").and_then(|t| t.parse().ok());
            before.map(Purpose::Ephemeral).ok_or_else(|| {
                StanzaError::new(Condition::BadRequest).text("expire-before is a date and time (XEP-0082)")
            })
        }
        _ => Err(StanzaError::new(Condition::FeatureNotImplemented)
            .text("files for this purpose are not kept here")),
    }
}

fn refused(why: Refusal) -> StanzaError {
    let not = |text: &str| StanzaError::new(Condition::NotAcceptable).text(text);
    let mut extra = XmlWriter::new();
    match why {
        Refusal::TooLarge(most) => {
            extra.open_ns("file-too-large", UPLOAD);
            extra.leaf("max-file-size", &most.to_string()).close();
            let text = [
                "the file is too large; at most ",
                &most.to_string(),
                " bytes are taken",
            ]
            .concat();
            not(&text).extra(extra)
        }
        Refusal::Name(why) => not(why),
        Refusal::Kind => not("content-type is no media type"),
        Refusal::Expired => not("expire-before is over already"),
        Refusal::Quota(why, until) => {
            let e = StanzaError::new(Condition::ResourceConstraint).text(why);
            let Some(until) = until else { return e };
            extra
                .open_ns("retry", UPLOAD)
                .attr_display("stamp", until)
                .close();
            e.extra(extra)
        }
        Refusal::ServerFull => StanzaError::new(Condition::ResourceConstraint)
            .text("the server has no space left for files; ask its administrator"),
    }
}
