//! The XML declaration and stream headers: RFC 6120 [§4.7](https://www.rfc-editor.org/rfc/rfc6120#section-4.7) and
//! §11.5, RFC 7395 §3.3.2.

use bytes::Bytes;

use crate::{
    Element, Framing, StreamError, XmlWriter,
    chars::{WS, is},
    ns,
};

/// What a `<stream:stream>` or `<open/>` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHeader {
    /// Whom the peer wants to talk to, not yet prepared.
    pub to: Option<String>,
    /// Who the peer says it is, not yet prepared.
    pub from: Option<String>,
    /// The default language of what the peer sends.
    pub lang: Option<String>,
    /// `version`, as sent: its major part is 1 or more. Streams of components have none.
    pub version: String,
    /// The stream's id; only the answering side sets one.
    pub id: Option<String>,
    /// The default namespace: [`ns::CLIENT`], [`ns::SERVER`] or [`ns::COMPONENT`].
    pub namespace: &'static str,
}

impl StreamHeader {
    pub(crate) fn read(e: Element<'_>, namespace: &'static str) -> Result<Self, StreamError> {
        let get = |name| e.attr(name).map(Into::into);
        let component = (namespace == ns::COMPONENT).then(|| "1.0".to_owned());
        let version: String = get("version")
            .or(component)
            .ok_or(StreamError::UnsupportedVersion)?;
        let number =
            |s: &str| s.len() <= 4 && s.bytes().all(|b| b.is_ascii_digit()) && s.parse::<u16>().is_ok();
        match version.split_once('.') {
            Some((major, minor)) if number(major) && number(minor) && major.bytes().any(|b| b != b'0') => {}
            _ => return Err(StreamError::UnsupportedVersion),
        }
        Ok(Self {
            to: get("to"),
            from: get("from"),
            lang: e.lang().map(Into::into),
            version,
            id: get("id"),
            namespace,
        })
    }

    /// This header as it goes on the wire: XML declaration and open `<stream:stream>`, or `<open/>`.
    pub fn to_bytes(&self, framing: Framing) -> Bytes {
        let mut w = XmlWriter::with_capacity(256);
        if framing == Framing::Stream {
            w.trusted(b"<?xml version='1.0'?>").open("stream:stream");
            w.attr("xmlns", self.namespace).attr("xmlns:stream", ns::STREAMS);
        } else {
            w.open_ns("open", ns::FRAMING);
        }
        w.attr_opt("from", self.from.as_deref())
            .attr_opt("to", self.to.as_deref())
            .attr_opt("id", self.id.as_deref());
        if self.namespace != ns::COMPONENT {
            w.attr("version", &self.version);
        }
        w.attr_opt("xml:lang", self.lang.as_deref());
        if framing == Framing::Stream {
            w.finish_open()
        } else {
            w.finish()
        }
    }
}

/// The end of a stream as it goes on the wire.
pub fn stream_close(framing: Framing) -> Bytes {
    match framing {
        Framing::Stream => Bytes::from_static(b"</stream:stream>"),
        Framing::WebSocket => Bytes::from_static(b"<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\"/>"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declaration {
    /// More bytes decide.
    More,
    /// There is none (0), or it ends here.
    Ends(usize),
}

/// Reads the XML declaration, if there is one: version 1.0, UTF-8 only.
pub(crate) fn declaration(w: &[u8]) -> Result<Declaration, StreamError> {
    match w {
        [] => return Ok(Declaration::More),
        // byte order marks and zero bytes of UTF-16 and UTF-32
        [0xFE | 0xFF | 0x00, ..] | [b'<', 0x00, ..] => return Err(StreamError::UnsupportedEncoding),
        _ => {}
    }
    let head = b"<?xml";
    let have = &w[..w.len().min(head.len())];
    if !head.starts_with(have) {
        return if w.starts_with(b"<?") {
            Err(StreamError::RestrictedXml)
        } else {
            Ok(Declaration::Ends(0))
        };
    }
    if w.len() <= head.len() {
        return Ok(Declaration::More);
    }
    if !is(w[head.len()], WS) {
        return Err(StreamError::RestrictedXml);
    }
    let Some(end) = w.windows(2).position(|p| p == b"?>") else {
        return Ok(Declaration::More);
    };
    let text = std::str::from_utf8(&w[head.len()..end]).map_err(|_| StreamError::UnsupportedEncoding)?;
    check_declaration(text)?;
    Ok(Declaration::Ends(end + 2))
}

fn check_declaration(mut rest: &str) -> Result<(), StreamError> {
    const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];
    let mut order = 0;
    loop {
        let trimmed = rest.trim_start_matches(BLANK);
        if trimmed.is_empty() {
            return if order > 0 {
                Ok(())
            } else {
                Err(StreamError::NotWellFormed)
            };
        }
        if trimmed.len() == rest.len() {
            return Err(StreamError::NotWellFormed);
        }
        let (name, after) = trimmed.split_once('=').ok_or(StreamError::NotWellFormed)?;
        let after = after.trim_start_matches(BLANK);
        let quote = after
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\''))
            .ok_or(StreamError::NotWellFormed)?;
        let (value, after) = after[1..].split_once(quote).ok_or(StreamError::NotWellFormed)?;
        let place = match name.trim_end_matches(BLANK) {
            "version" if value == "1.0" => 1,
            "encoding" if order >= 1 => {
                if !value.eq_ignore_ascii_case("utf-8") {
                    return Err(StreamError::UnsupportedEncoding);
                }
                2
            }
            "standalone" if order >= 1 && matches!(value, "yes" | "no") => 3,
            _ => return Err(StreamError::NotWellFormed),
        };
        if place <= order {
            return Err(StreamError::NotWellFormed);
        }
        order = place;
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations() {
        for ok in [
            "<?xml version='1.0'?>",
            "<?xml version=\"1.0\" encoding='UTF-8'?>",
            "<?xml\tversion = '1.0' encoding=\"utf-8\" standalone='yes' ?>",
        ] {
            assert_eq!(
                declaration(ok.as_bytes()),
                Ok(Declaration::Ends(ok.len())),
                "{ok}"
            );
            for n in 0..ok.len() {
                assert_eq!(
                    declaration(&ok.as_bytes()[..n]),
                    Ok(Declaration::More),
                    "{ok} {n}"
                );
            }
        }
        assert_eq!(declaration(b"<stream"), Ok(Declaration::Ends(0)));
        for (bad, error) in [
            ("<?xml version='1.1'?>", StreamError::NotWellFormed),
            ("<?xml encoding='utf-8'?>", StreamError::NotWellFormed),
            (
                "<?xml version='1.0'encoding='utf-8'?>",
                StreamError::NotWellFormed,
            ),
            ("<?xml version='1.0' version='1.0'?>", StreamError::NotWellFormed),
            ("<?xml ?>", StreamError::NotWellFormed),
            (
                "<?xml version='1.0' encoding='UTF-16'?>",
                StreamError::UnsupportedEncoding,
            ),
            (
                "<?xml version='1.0' encoding='ISO-8859-1'?>",
                StreamError::UnsupportedEncoding,
            ),
            ("<?xmlx?>", StreamError::RestrictedXml),
            ("<?php", StreamError::RestrictedXml),
        ] {
            assert_eq!(declaration(bad.as_bytes()), Err(error), "{bad}");
        }
        assert_eq!(
            declaration(&[0xFF, 0xFE, b'<', 0]),
            Err(StreamError::UnsupportedEncoding)
        );
    }

    #[test]
    fn header_written() {
        let h = StreamHeader {
            to: None,
            from: Some("a".into()),
            lang: Some("en".into()),
            version: "1.0".into(),
            id: Some("x".into()),
            namespace: ns::CLIENT,
        };
        assert_eq!(
            h.to_bytes(Framing::Stream),
            "<?xml version='1.0'?><stream:stream xmlns=\"jabber:client\" xmlns:stream=\"http://etherx.jabber.org/streams\" \
             from=\"a\" id=\"x\" version=\"1.0\" xml:lang=\"en\">"
        );
        assert_eq!(
            h.to_bytes(Framing::WebSocket),
            "<open xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" from=\"a\" id=\"x\" version=\"1.0\" xml:lang=\"en\"/>"
        );
    }
}
