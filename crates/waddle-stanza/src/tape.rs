//! The tape: a stanza's structure as one flat array of fixed-size nodes over its bytes.
//!
//! Offsets are in bytes from the stanza's start. An element is followed by its attributes, then by its content;
//! `next` is the index behind all of that, so that a sibling is one step away.

use crate::ns;

/// A namespace: a range of the stanza's bytes, or one of the [`statics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NsRef {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

const STATIC: u32 = u32::MAX;

impl NsRef {
    pub(crate) const NONE: Self = Self::known(0);
    pub(crate) const CLIENT: Self = Self::known(1);
    pub(crate) const SERVER: Self = Self::known(2);
    pub(crate) const STREAMS: Self = Self::known(3);
    pub(crate) const XML: Self = Self::known(4);
    pub(crate) const XMLNS: Self = Self::known(5);

    const fn known(code: u32) -> Self {
        Self {
            start: STATIC,
            len: code,
        }
    }

    #[inline]
    pub(crate) fn bytes(self, w: &[u8]) -> &[u8] {
        if self.start != STATIC {
            return slice(w, self.start, self.len);
        }
        match self.len {
            1 => ns::CLIENT,
            2 => ns::SERVER,
            3 => ns::STREAMS,
            4 => ns::XML,
            5 => ns::XMLNS,
            _ => "",
        }
        .as_bytes()
    }
}

#[inline]
pub(crate) fn slice(w: &[u8], start: u32, len: u32) -> &[u8] {
    w.get(start as usize..(start + len) as usize).unwrap_or_default()
}

/// A qualified name as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) start: u32,
    /// Length of the prefix, without the colon; 0 where there is none.
    pub(crate) prefix: u16,
    /// Length of the whole, with prefix and colon.
    pub(crate) len: u16,
}

impl Name {
    #[inline]
    pub(crate) fn qname(self, w: &[u8]) -> &[u8] {
        slice(w, self.start, self.len.into())
    }
    #[inline]
    pub(crate) fn prefix(self, w: &[u8]) -> &[u8] {
        slice(w, self.start, self.prefix.into())
    }
    #[inline]
    pub(crate) fn local(self, w: &[u8]) -> &[u8] {
        let skip = if self.prefix > 0 { self.prefix + 1 } else { 0 };
        slice(w, self.start + u32::from(skip), (self.len - skip).into())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ElementNode {
    /// Where its `<` stands is one before the name.
    pub(crate) name: Name,
    pub(crate) ns: NsRef,
    /// Behind its start tag.
    pub(crate) content: u32,
    /// Behind its end tag; equal to `content` where it is `<empty/>`.
    pub(crate) end: u32,
    /// Tape index behind it and everything in it.
    pub(crate) next: u32,
    pub(crate) attrs: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AttrNode {
    pub(crate) name: Name,
    pub(crate) ns: NsRef,
    pub(crate) start: u32,
    pub(crate) len: u32,
    /// Whether it holds references or white space to normalize.
    pub(crate) dirty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    /// As it stands.
    Clean,
    /// Holds references or CR.
    Dirty,
    /// A CDATA section.
    Cdata,
    /// A CDATA section with CR.
    DirtyCdata,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    Element(ElementNode),
    Attr(AttrNode),
    Text { start: u32, len: u32, kind: TextKind },
}

/// Worst stanzas are bounded by this (ADR 0002).
const _: () = assert!(size_of::<Node>() <= 36);
