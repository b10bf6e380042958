//! Channel bindings of a TLS connection: `tls-exporter` ([RFC 9266](https://www.rfc-editor.org/rfc/rfc9266)) and
//! `tls-server-end-point` ([RFC 5929 §4](https://www.rfc-editor.org/rfc/rfc5929#section-4)).

use std::{cell::RefCell, io, sync::Arc};

use ring::digest;
use rustls::{
    ProtocolVersion,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use waddle_stanza::sasl::ChannelBinding;

use super::transport::Socket;

tokio::task_local! {
    /// The hash of the certificate that the handshake of this task was answered with.
    static SERVED: RefCell<Option<Vec<u8>>>;
}

/// Sees which certificate a handshake gets: it may change while the server runs.
#[derive(Debug)]
pub(crate) struct Witness(pub Arc<dyn ResolvesServerCert>);

impl ResolvesServerCert for Witness {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.0.resolve(hello)?;
        // Outside of a handshake of ours nobody wants to know.
        let _ = SERVED.try_with(|s| *s.borrow_mut() = key.cert.first().and_then(|c| end_point(c)));
        Some(key)
    }
}

/// A handshake, and what binds to it.
pub(super) async fn accept(
    acceptor: &TlsAcceptor,
    socket: Socket,
) -> io::Result<(TlsStream<Socket>, ChannelBinding)> {
    let shake = async {
        let tls = acceptor.accept(socket).await?;
        let end_point = SERVED.with(RefCell::take);
        let bound = [
            exporter(&tls).map(|d| ("tls-exporter", d)),
            end_point.map(|d| ("tls-server-end-point", d)),
        ];
        Ok((
            tls,
            ChannelBinding::offered(bound.into_iter().flatten().collect()),
        ))
    };
    SERVED.scope(RefCell::default(), shake).await
}

/// RFC 9266 needs TLS 1.3, or an extension that rustls does not tell of.
fn exporter(tls: &TlsStream<Socket>) -> Option<Vec<u8>> {
    let (_, c) = tls.get_ref();
    if c.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    let data = c.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]));
    data.ok().map(|d| d.to_vec())
}

/// The certificate's hash, with the hash function of its signature; MD5 and SHA-1 give way to SHA-256. None where the
/// signature has no such function: then the binding is not defined.
fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (body, _) = der(certificate, 0x30)?;
    let (_, rest) = der(body, 0x30)?;
    let (algorithm, _) = der(rest, 0x30)?;
    let (oid, parameters) = der(algorithm, 0x06)?;
    let hash = if oid == RSA_PSS {
        of_pss(parameters)?
    } else {
        let known = SIGNATURES.iter().find(|s| s.0 == oid)?;
        known.1
    };
    Some(digest::digest(hash, certificate).as_ref().to_vec())
}

/// The hash of RSASSA-PSS is a parameter (RFC 4055 §3.1); without it, it is SHA-1.
fn of_pss(parameters: &[u8]) -> Option<&'static digest::Algorithm> {
    let (parameters, _) = der(parameters, 0x30)?;
    let Some((hash, _)) = der(parameters, 0xa0) else {
        return Some(&digest::SHA256);
    };
    let (hash, _) = der(hash, 0x30)?;
    let (oid, _) = der(hash, 0x06)?;
    HASHES.iter().find(|h| h.0 == oid).map(|h| h.1)
}

/// The content of the element that `input` begins with, and what follows it.
fn der(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[first, length], rest) = input.split_first_chunk()?;
    if first != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 3))?;
            (bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// 1.2.840.113549.1.1.10
const RSA_PSS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";

/// Object identifiers of signatures, and the hash to use.
const SIGNATURES: &[(&[u8], &digest::Algorithm)] = &[
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", &digest::SHA256), // ecdsa-with-SHA256
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", &digest::SHA384), // ecdsa-with-SHA384
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", &digest::SHA512), // ecdsa-with-SHA512
    (b"\x2a\x86\x48\xce\x3d\x04\x01", &digest::SHA256),     // ecdsa-with-SHA1
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", &digest::SHA256), // sha256WithRSAEncryption
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", &digest::SHA384), // sha384WithRSAEncryption
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", &digest::SHA512), // sha512WithRSAEncryption
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", &digest::SHA256), // sha1WithRSAEncryption
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", &digest::SHA256), // md5WithRSAEncryption
];

/// Object identifiers of hashes.
const HASHES: &[(&[u8], &digest::Algorithm)] = &[
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x01", &digest::SHA256),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x02", &digest::SHA384),
    (b"\x60\x86\x48\x01\x65\x03\x04\x02\x03", &digest::SHA512),
    (b"\x2b\x0e\x03\x02\x1a", &digest::SHA256), // SHA-1
];

#[cfg(test)]
mod tests {
    use super::*;

    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let cert = rcgen::CertificateParams::new(["a.example".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        cert.der().to_vec()
    }

    #[test]
    fn the_hash_follows_the_signature() {
        let cert = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let expected = digest::digest(&digest::SHA256, &cert);
        assert_eq!(end_point(&cert).unwrap(), expected.as_ref());
        let cert = made(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(end_point(&cert).unwrap().len(), 48);
        assert_eq!(end_point(&made(&rcgen::PKCS_ED25519)), None, "not defined");
        for broken in [&b""[..], b"\x30", b"\x30\x05\x30", b"\x30\x82\xff\xff\x30"] {
            assert_eq!(end_point(broken), None);
        }
    }

    #[test]
    fn pss_names_its_hash() {
        let sha512 = [
            b"\x30\x11\xa0\x0f\x30\x0d\x06\x09".as_slice(),
            HASHES[2].0,
            b"\x05\x00",
        ]
        .concat();
        assert_eq!(of_pss(&sha512).unwrap(), &digest::SHA512);
        assert_eq!(of_pss(b"\x30\x00").unwrap(), &digest::SHA256);
    }
}
