//! Content types: what a browser may show, what it may only save, and what it must not even know.
//!
//! Nothing active is ever served inline. A type that is in neither list (HTML, SVG, XML, scripts, style sheets,
//! anything unknown) is served as `application/octet-stream`: not even a script element could load it.

/// What is served for a declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served<'a> {
    /// `Content-Type`.
    pub kind: &'a str,
    /// Whether a browser may show it.
    pub inline: bool,
}

/// What is served where nothing better is safe.
pub const UNKNOWN: &str = "application/octet-stream";

/// Shown in place: pictures, sounds and films without scripts, and plain text.
const INLINE: &[&str] = &[
    "audio/aac",
    "audio/flac",
    "audio/m4a",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/opus",
    "audio/wav",
    "audio/webm",
    "audio/x-m4a",
    "audio/x-wav",
    "image/apng",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/heic",
    "image/heif",
    "image/jpeg",
    "image/jxl",
    "image/png",
    "image/webp",
    "video/mp4",
    "video/ogg",
    "video/quicktime",
    "video/webm",
];

/// Saved under their own type.
const SAVED: &[&str] = &[
    "application/epub+zip",
    "application/gzip",
    "application/json",
    "application/msword",
    "application/ogg",
    "application/pdf",
    "application/pgp-encrypted",
    "application/pgp-keys",
    "application/pgp-signature",
    "application/rtf",
    "application/vnd.android.package-archive",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/x-7z-compressed",
    "application/x-bzip2",
    "application/x-tar",
    "application/x-xz",
    "application/zip",
    "application/zstd",
    "audio/3gpp",
    "audio/amr",
    "audio/midi",
    "image/tiff",
    "image/x-icon",
    "text/calendar",
    "text/csv",
    "text/markdown",
    "text/vcard",
    "video/3gpp",
    "video/mpeg",
    "video/x-matroska",
    "video/x-msvideo",
];

/// Types by the ends of names, where nobody declared one.
const ENDINGS: &[(&str, &str)] = &[
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("apk", "application/vnd.android.package-archive"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    (
        "docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("heic", "image/heic"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("jxl", "image/jxl"),
    ("m4a", "audio/mp4"),
    ("md", "text/markdown"),
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/opus"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    (
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("rtf", "application/rtf"),
    ("tar", "application/x-tar"),
    ("tiff", "image/tiff"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    (
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    ("xz", "application/x-xz"),
    ("zip", "application/zip"),
];

/// The `type/subtype` of a declared type, in lower case, without its parameters; nothing where it is none
/// (RFC 9110 §8.3.1).
pub fn essence(declared: &str) -> Option<String> {
    let token = |t: &str| {
        !t.is_empty()
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let essence = declared.split(';').next().unwrap_or_default().trim();
    let (kind, sub) = essence.split_once('/')?;
    (essence.len() <= 127 && token(kind) && token(sub)).then(|| essence.to_ascii_lowercase())
}

/// The type that a name suggests.
pub fn of_name(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    let found = end.and_then(|end| ENDINGS.iter().find(|(e, _)| *e == end));
    found.map_or(UNKNOWN, |(_, kind)| kind)
}

/// How a type is served.
pub fn served(kind: &str) -> Served<'_> {
    match kind {
        // the encoding is not sniffed, and text that is no UTF-8 shows wrong characters at the worst
        "text/plain" => Served {
            kind: "text/plain; charset=utf-8",
            inline: true,
        },
        k if INLINE.contains(&k) => Served { kind, inline: true },
        k if SAVED.contains(&k) => Served { kind, inline: false },
        _ => Served {
            kind: UNKNOWN,
            inline: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_apart() {
        assert!(INLINE.is_sorted() && SAVED.is_sorted() && ENDINGS.is_sorted());
        assert!(INLINE.iter().all(|k| !SAVED.contains(k)));
        for (_, kind) in ENDINGS {
            assert_ne!(served(kind).kind, UNKNOWN, "{kind}");
        }
    }

    #[test]
    fn nothing_active_is_shown_or_keeps_its_type() {
        for active in [
            "text/html",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xml",
            "text/javascript",
            "application/javascript",
            "text/css",
            "application/wasm",
            "message/rfc822",
            "multipart/related",
            "application/x-shockwave-flash",
            "text/cache-manifest",
            "application/rss+xml",
            "nonsense/x",
        ] {
            assert_eq!(
                served(active),
                Served {
                    kind: UNKNOWN,
                    inline: false
                },
                "{active}"
            );
        }
        assert!(!served("application/pdf").inline && served("image/png").inline);
    }

    #[test]
    fn declared_types_are_read() {
        assert_eq!(essence("Image/JPEG"), Some("image/jpeg".into()));
        assert_eq!(essence("text/plain; charset=x"), Some("text/plain".into()));
        assert_eq!(essence("application/octet-stream;"), Some(UNKNOWN.into()));
        for bad in ["", "image", "/", "a/", "a/b\r\nx: y", "a b/c", "text/htm<l"] {
            assert_eq!(essence(bad), None, "{bad:?}");
        }
        assert_eq!(of_name("x.tar.GZ"), "application/gzip");
        assert_eq!(of_name("page.html"), UNKNOWN);
        assert_eq!(of_name("none"), UNKNOWN);
    }
}
