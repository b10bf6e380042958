//! The stream of a component as a plain reducer: frames in, effects out (XEP-0114 §3). No clock, no I/O.

use std::sync::Arc;

use bytes::Bytes;
use ring::digest;
use smallvec::{SmallVec, smallvec};
use subtle::ConstantTimeEq as _;
use waddle_core::Jid;
use waddle_stanza::{Frame, Framing, Kind, Stanza, StreamError, StreamHeader, XmlWriter, ns};

use super::Component;

/// What is to be done, in order.
#[derive(Debug)]
pub(super) enum Effect {
    /// Send this.
    Send(Bytes),
    /// The component proved who it is: it gets its host and this greeting, unless somebody else has the host.
    /// Answer [`Stream::attached`].
    Attach(Arc<str>, Bytes),
    /// Route this stanza, which is from this address.
    Route(Stanza, Jid),
    /// End the stream, with an error or without.
    Close(Option<StreamError>, Option<&'static str>),
}

type Effects = SmallVec<[Effect; 2]>;

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Header,
    Handshake(usize),
    Attaching(Arc<str>),
    Open(Arc<str>),
    Over,
}

/// The stream of one component.
#[derive(Debug)]
pub(super) struct Stream {
    components: Arc<[Component]>,
    id: String,
    phase: Phase,
}

impl Stream {
    /// `id` is the stream's: unpredictable.
    pub(super) fn new(components: Arc<[Component]>, id: String) -> Self {
        Self {
            components,
            id,
            phase: Phase::Header,
        }
    }

    /// The host that it serves.
    pub(super) fn host(&self) -> Option<&str> {
        match &self.phase {
            Phase::Open(host) => Some(host),
            _ => None,
        }
    }

    fn header(&self, from: Option<&str>) -> Effect {
        let header = StreamHeader {
            to: None,
            from: from.map(str::to_owned),
            lang: None,
            version: String::new(),
            id: Some(self.id.clone()),
            namespace: ns::COMPONENT,
        };
        Effect::Send(header.to_bytes(Framing::Stream))
    }

    fn close(&mut self, error: StreamError, text: Option<&'static str>) -> Effects {
        self.phase = Phase::Over;
        smallvec![Effect::Close(Some(error), text)]
    }

    /// A malformed or too large stream ends.
    pub(super) fn broken(&mut self, error: StreamError) -> Effects {
        let mut out = Effects::new();
        if self.phase == Phase::Header {
            out.push(self.header(None));
        }
        out.extend(self.close(error, None));
        out
    }

    /// Looks at one frame.
    pub(super) fn handle(&mut self, frame: Frame) -> Effects {
        match (&self.phase, frame) {
            (Phase::Over, _) => Effects::new(),
            (Phase::Header, Frame::Open(header)) => self.open(&header),
            (Phase::Handshake(which), Frame::Stanza(stanza)) => {
                let which = *which;
                self.proof(which, &stanza)
            }
            (Phase::Open(host), Frame::Stanza(stanza)) => {
                let host = host.clone();
                self.stanza(&host, &stanza)
            }
            (_, Frame::Close) => {
                self.phase = Phase::Over;
                smallvec![Effect::Close(None, None)]
            }
            (Phase::Header, _) => self.broken(StreamError::BadFormat),
            _ => self.close(StreamError::BadFormat, None),
        }
    }

    fn open(&mut self, header: &StreamHeader) -> Effects {
        if header.namespace != ns::COMPONENT {
            return self.broken(StreamError::InvalidNamespace);
        }
        let to = header.to.as_deref().and_then(|t| t.parse::<Jid>().ok());
        let found = to
            .as_ref()
            .and_then(|to| self.components.iter().position(|c| c.host == to.as_str()));
        let Some(which) = found else {
            return self.broken(StreamError::HostUnknown);
        };
        let answer = self.header(Some(&self.components[which].host));
        self.phase = Phase::Handshake(which);
        smallvec![answer]
    }

    /// The hexadecimal SHA-1 of the stream's id and the secret.
    fn expected(&self, secret: &str) -> String {
        let mut c = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        c.update(self.id.as_bytes());
        c.update(secret.as_bytes());
        c.finish()
            .as_ref()
            .iter()
            .flat_map(|b| [b >> 4, b & 15])
            .filter_map(|n| char::from_digit(n.into(), 16))
            .collect()
    }

    fn proof(&mut self, which: usize, stanza: &Stanza) -> Effects {
        let root = stanza.root();
        let c = &self.components[which];
        let named = root.name() == "handshake" && (root.in_ns(ns::CLIENT) || root.in_ns(ns::COMPONENT));
        let proof = root.text();
        let fits: bool = self
            .expected(c.secret.expose())
            .as_bytes()
            .ct_eq(proof.trim().as_bytes())
            .into();
        if !named || !fits {
            return self.close(
                StreamError::NotAuthorized,
                Some("the handshake does not fit the secret"),
            );
        }
        let host: Arc<str> = c.host.as_str().into();
        self.phase = Phase::Attaching(host.clone());
        let mut w = XmlWriter::new();
        w.open("handshake").close();
        smallvec![Effect::Attach(host, w.finish())]
    }

    /// The answer to [`Effect::Attach`]: whether the host was free.
    pub(super) fn attached(&mut self, free: bool) -> Effects {
        let Phase::Attaching(host) = &self.phase else {
            return Effects::new();
        };
        if !free {
            return self.close(StreamError::Conflict, Some("this component is connected already"));
        }
        self.phase = Phase::Open(host.clone());
        Effects::new()
    }

    /// §3: a component speaks for its own host only, and names whom it speaks to.
    fn stanza(&mut self, host: &str, stanza: &Stanza) -> Effects {
        if stanza.kind() == Kind::Other {
            let error = stanza.root().is("error", ns::STREAMS);
            if error {
                self.phase = Phase::Over;
                return smallvec![Effect::Close(None, None)];
            }
            return self.close(StreamError::UnsupportedStanzaType, None);
        }
        let from = stanza.from().ok().flatten().filter(|f| f.domain() == host);
        let Some(from) = from else {
            return self.close(
                StreamError::InvalidFrom,
                Some("a component speaks for its own host only"),
            );
        };
        if stanza.root().attr("to").is_none() {
            return self.close(
                StreamError::ImproperAddressing,
                Some("a stanza of a component needs a to"),
            );
        }
        match stanza.head().build().to_stanza() {
            Ok(complete) => smallvec![Effect::Route(complete, from)],
            Err(e) => self.close(e, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_core::Secret;

    fn stream() -> Stream {
        let components = [Component {
            host: "bridge.test".into(),
            secret: Secret::new("sesame"),
        }];
        Stream::new(components.to_vec().into(), "3BF96D32".into())
    }

    fn header(to: &str, namespace: &'static str) -> Frame {
        Frame::Open(StreamHeader {
            to: Some(to.into()),
            from: None,
            lang: None,
            version: "1.0".into(),
            id: None,
            namespace,
        })
    }

    fn stanza(xml: &str) -> Frame {
        Frame::Stanza(Stanza::parse(Bytes::copy_from_slice(xml.as_bytes())).unwrap())
    }

    fn closed(e: &Effects) -> Option<StreamError> {
        e.iter().find_map(|e| match e {
            Effect::Close(e, _) => e.clone(),
            _ => None,
        })
    }

    fn open() -> Stream {
        let mut s = stream();
        assert!(matches!(
            &s.handle(header("bridge.test", ns::COMPONENT))[..],
            [Effect::Send(_)]
        ));
        let proof = s.expected("sesame");
        let xml = ["<handshake>", &proof, "</handshake>"].concat();
        assert!(
            matches!(&s.handle(stanza(&xml))[..], [Effect::Attach(h, b)] if &**h == "bridge.test" && b == "<handshake/>")
        );
        s
    }

    #[test]
    fn the_digest_is_that_of_the_specification() {
        let s = Stream::new(Arc::new([]), "3BF96D32".into());
        assert_eq!(s.expected("test"), {
            // SHA-1 of "3BF96D32test"
            let d = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, b"3BF96D32test");
            d.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>()
        });
    }

    #[test]
    fn a_component_comes_and_speaks() {
        let mut s = open();
        assert!(s.attached(true).is_empty());
        assert_eq!(s.host(), Some("bridge.test"));
        let e = s.handle(stanza(
            "<message from='x@bridge.test/y' to='a@b'><body>hi</body></message>",
        ));
        assert!(matches!(&e[..], [Effect::Route(s, from)]
            if from.as_str() == "x@bridge.test/y" && s.bytes().starts_with(b"<message xmlns=\"jabber:client\"")));
        assert!(matches!(&s.handle(Frame::Close)[..], [Effect::Close(None, None)]));
    }

    #[test]
    fn errors_end_the_stream() {
        let mut s = stream();
        assert_eq!(
            closed(&s.handle(header("other.test", ns::COMPONENT))),
            Some(StreamError::HostUnknown)
        );
        assert!(s.handle(Frame::Close).is_empty());
        let mut s = stream();
        assert_eq!(
            closed(&s.handle(header("bridge.test", ns::CLIENT))),
            Some(StreamError::InvalidNamespace)
        );
        let mut s = stream();
        assert_eq!(
            closed(&s.handle(stanza("<handshake/>"))),
            Some(StreamError::BadFormat)
        );
        let mut s = stream();
        s.handle(header("bridge.test", ns::COMPONENT));
        let e = s.handle(stanza(
            "<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>",
        ));
        assert_eq!(closed(&e), Some(StreamError::NotAuthorized));
        let mut s = open();
        assert_eq!(closed(&s.attached(false)), Some(StreamError::Conflict));
        for (xml, error) in [
            (
                "<message from='a@other.test' to='a@b'/>",
                StreamError::InvalidFrom,
            ),
            ("<message to='a@b'/>", StreamError::InvalidFrom),
            ("<message from='bridge.test'/>", StreamError::ImproperAddressing),
            ("<r xmlns='urn:xmpp:sm:3'/>", StreamError::UnsupportedStanzaType),
        ] {
            let mut s = open();
            s.attached(true);
            assert_eq!(closed(&s.handle(stanza(xml))), Some(error), "{xml}");
        }
    }
}
