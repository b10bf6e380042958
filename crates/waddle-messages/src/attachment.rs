//! Files of a message: stateless file sharing ([XEP-0447]) with metadata ([XEP-0446]), and plain addresses ([XEP-0066]).
//!
//! [XEP-0066]: https://xmpp.org/extensions/xep-0066.html
//! [XEP-0446]: https://xmpp.org/extensions/xep-0446.html
//! [XEP-0447]: https://xmpp.org/extensions/xep-0447.html

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use waddle_stanza::{Element, XmlWriter};

/// XEP-0447.
const SFS: &str = "urn:xmpp:sfs:0";
/// XEP-0446.
const METADATA: &str = "urn:xmpp:file:metadata:0";
/// XEP-0103.
const URL_DATA: &str = "http://jabber.org/protocol/url-data";
/// XEP-0066.
const OOB: &str = "jabber:x:oob";
/// Files of one message that are told.
const MOST: usize = 32;

/// A file that a message names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Attachment {
    /// Where it is.
    pub url: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Such as `image/png`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// What it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

impl Attachment {
    /// The files of a message, each once.
    pub fn all(message: Element<'_>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for e in message.children() {
            let found = if e.is("file-sharing", SFS) {
                Self::shared(e)
            } else if e.is("x", OOB) {
                e.child_text("url", OOB).map(|url| Self {
                    url: url.trim().to_owned(),
                    description: e.child_text("desc", OOB).map(std::borrow::Cow::into_owned),
                    ..Self::default()
                })
            } else {
                None
            };
            let Some(found) = found.filter(|f| is_web(&f.url)) else {
                continue;
            };
            if all.len() < MOST && !all.iter().any(|a| a.url == found.url) {
                all.push(found);
            }
        }
        all
    }

    fn shared(e: Element<'_>) -> Option<Self> {
        let sources = e.child("sources", SFS)?;
        let url = sources
            .children()
            .find(|c| c.is("url-data", URL_DATA))
            .and_then(|c| c.attr("target"))?
            .into_owned();
        let file = e.child("file", METADATA);
        let text = |name| {
            let text = file?.child_text(name, METADATA)?;
            Some(text.into_owned()).filter(|t| !t.is_empty())
        };
        Some(Self {
            url,
            name: text("name"),
            media_type: text("media-type"),
            size: text("size").and_then(|t| t.parse().ok()),
            width: text("width").and_then(|t| t.parse().ok()),
            height: text("height").and_then(|t| t.parse().ok()),
            description: text("desc"),
        })
    }

    /// Writes it in both forms: not every client knows the newer one.
    pub fn write(&self, w: &mut XmlWriter) {
        w.open_ns("file-sharing", SFS).attr("disposition", "inline");
        w.open_ns("file", METADATA);
        for (name, value) in [
            ("media-type", self.media_type.clone()),
            ("name", self.name.clone()),
            ("size", self.size.map(|n| n.to_string())),
            ("width", self.width.map(|n| n.to_string())),
            ("height", self.height.map(|n| n.to_string())),
            ("desc", self.description.clone()),
        ] {
            if let Some(value) = value {
                w.leaf(name, &value);
            }
        }
        w.close();
        w.open("sources");
        w.open_ns("url-data", URL_DATA).attr("target", &self.url).close();
        w.close().close();
        w.open_ns("x", OOB).leaf("url", &self.url).close();
    }
}

#[cfg(test)]
mod tests {
    use waddle_stanza::Stanza;

    use super::*;

    #[test]
    fn written_and_read() {
        let file = Attachment {
            url: "https://u.example/f/a.png".into(),
            name: Some("a.png".into()),
            media_type: Some("image/png".into()),
            size: Some(9),
            width: Some(3),
            height: None,
            description: Some("a <penguin>".into()),
        };
        let mut w = XmlWriter::message();
        file.write(&mut w);
        let stanza = Stanza::parse(w.finish()).unwrap();
        assert_eq!(Attachment::all(stanza.root()), [file], "both forms are one file");
        let other = Stanza::parse(
            "<message xmlns='jabber:client'><x xmlns='jabber:x:oob'><url>file:///etc/passwd</url></x>\
             <x xmlns='jabber:x:oob'><url>https://a.example/b</url><desc>d</desc></x></message>"
                .into(),
        )
        .unwrap();
        let found = Attachment::all(other.root());
        assert_eq!(found.len(), 1, "only files on the web: {found:?}");
        assert_eq!(found[0].description.as_deref(), Some("d"));
    }
}
