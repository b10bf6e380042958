//! What kind of OAuth client this server is: a loopback client on a laptop, a confidential one with a key of its own
//! behind a public https address (ATProto OAuth specification, "Clients").

use std::sync::Arc;

use atrium_oauth::{
    AtprotoClientMetadata, AtprotoLocalhostClientMetadata, AuthMethod, GrantType, KnownScope, OAuthClient,
    OAuthClientConfig, OAuthResolverConfig, Scope,
};
use jose_jwk::{Class, Jwk, Parameters, crypto};
use serde_json::Value;
use url::{Host, Url};
use waddle_storage::{Db, repo::oauth::OAuth};

use super::{
    http::SafeHttp,
    resolve::{DidDocuments, DnsTxt, Handles},
    stores::Stores,
};
use crate::{AtprotoConfig, Error, keys::Keyring, keys::random};

/// Path of the client metadata document.
pub const METADATA_PATH: &str = "/oauth-client-metadata.json";
/// Path that the authorization server sends the browser back to.
pub const CALLBACK_PATH: &str = "/auth/callback";

/// atrium's client over our parts.
pub type Client = OAuthClient<Stores, Stores, DidDocuments, Handles, SafeHttp>;

const KEY_PLACE: &str = "oauth-client-key ";

/// What the client is, and the documents it is known by.
pub struct Registered {
    /// Its metadata, for a public client.
    pub metadata: Option<Value>,
    /// Its public keys.
    pub jwks: Value,
    kind: Kind,
    config: AtprotoConfig,
    dns: DnsTxt,
    http: Arc<SafeHttp>,
    stores: Stores,
}

enum Kind {
    Loopback(AtprotoLocalhostClientMetadata),
    Confidential(AtprotoClientMetadata, Box<Jwk>),
}

fn scopes() -> Vec<Scope> {
    vec![Scope::Known(KnownScope::Atproto)]
}

/// Whether `url` is one that OAuth's loopback rule allows: http to a loopback address, never `localhost`.
fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Ipv4(a)) => a == std::net::Ipv4Addr::LOCALHOST,
            Some(Host::Ipv6(a)) => a.is_loopback(),
            _ => false,
        }
}

async fn signing_key(db: &Db, keys: &Keyring, now: waddle_core::Timestamp) -> Result<Jwk, Error> {
    let broken = |_| Error::Sealed;
    if let Some((kid, sealed)) = OAuth(db).newest_key().await? {
        let plain = keys.open_sealed(&format!("{KEY_PLACE}{kid}"), &sealed)?;
        return serde_json::from_slice(&plain).map_err(broken);
    }
    let secret = loop {
        // a random number is a valid key but with a chance of 2⁻³²
        if let Ok(k) = p256::SecretKey::from_slice(&random::<32>()?) {
            break k;
        }
    };
    let kid = waddle_core::SessionId::new().to_string();
    let jwk = Jwk {
        key: jose_jwk::Key::from(&crypto::Key::from(secret)),
        prm: Parameters {
            kid: Some(kid.clone()),
            cls: Some(Class::Signing),
            ..Default::default()
        },
    };
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(&jwk).map_err(broken)?);
    let sealed = keys.seal(&format!("{KEY_PLACE}{kid}"), &plain)?;
    OAuth(db).put_key(&kid, sealed, now).await?;
    Ok(jwk)
}

/// Prepares the client that fits `public_url`.
pub async fn register(
    public_url: &Url,
    config: &AtprotoConfig,
    http: &Arc<SafeHttp>,
    stores: &Stores,
    keys: &Keyring,
    db: &Db,
    now: waddle_core::Timestamp,
) -> Result<Registered, Error> {
    let at = |path: &str| {
        public_url
            .join(path)
            .map(String::from)
            .map_err(|e| Error::Config(format!("public URL {public_url}: {e}")))
    };
    let redirect_uris = vec![at(CALLBACK_PATH)?];
    let kind = if is_loopback(public_url) {
        Kind::Loopback(AtprotoLocalhostClientMetadata {
            redirect_uris: Some(redirect_uris),
            scopes: Some(scopes()),
        })
    } else if public_url.scheme() == "https" {
        let metadata = AtprotoClientMetadata {
            client_id: at(METADATA_PATH)?,
            client_uri: Some(at("/")?),
            redirect_uris,
            token_endpoint_auth_method: AuthMethod::PrivateKeyJwt,
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            scopes: scopes(),
            jwks_uri: None,
            token_endpoint_auth_signing_alg: Some("ES256".to_owned()),
        };
        Kind::Confidential(metadata, Box::new(signing_key(db, keys, now).await?))
    } else {
        return Err(Error::Config(format!(
            "login with Bluesky needs a public URL with https, or http://127.0.0.1 on one machine; it is {public_url}"
        )));
    };
    let mut made = Registered {
        metadata: None,
        jwks: serde_json::json!({ "keys": [] }),
        kind,
        config: config.clone(),
        dns: DnsTxt::system(),
        http: Arc::clone(http),
        stores: stores.clone(),
    };
    let client = made.client()?;
    if matches!(made.kind, Kind::Confidential(..)) {
        made.metadata = Some(document(&client)?);
        made.jwks =
            serde_json::to_value(client.jwks()).map_err(|e| Error::Config(format!("OAuth keys: {e}")))?;
    }
    Ok(made)
}

fn document(client: &Client) -> Result<Value, Error> {
    let mut metadata = serde_json::to_value(&client.client_metadata)
        .map_err(|e| Error::Config(format!("OAuth client metadata: {e}")))?;
    if let Some(fields) = metadata.as_object_mut() {
        fields.insert("client_name".into(), "Waddle".into());
        fields.insert("application_type".into(), "web".into());
        fields.insert("response_types".into(), serde_json::json!(["code"]));
    }
    Ok(metadata)
}

impl Registered {
    /// A client for one step of one login.
    ///
    /// Never shared: the resolvers within remember who is asking for a server's metadata, and where that one is cut
    /// off (a browser that closes the connection is enough) or answered at the wrong moment, all others wait for ever.
    pub fn client(&self) -> Result<Client, Error> {
        let resolver = OAuthResolverConfig {
            did_resolver: DidDocuments::new(&self.config, &self.http),
            handle_resolver: Handles::new(&self.config, self.dns.clone(), &self.http),
            authorization_server_metadata: Default::default(),
            protected_resource_metadata: Default::default(),
        };
        let http_client = SafeHttp::clone(&self.http);
        let (state_store, session_store) = (self.stores.clone(), self.stores.clone());
        match &self.kind {
            Kind::Loopback(metadata) => OAuthClient::new(OAuthClientConfig {
                client_metadata: metadata.clone(),
                keys: None,
                state_store,
                session_store,
                resolver,
                http_client,
            }),
            Kind::Confidential(metadata, key) => OAuthClient::new(OAuthClientConfig {
                client_metadata: metadata.clone(),
                keys: Some(vec![Jwk::clone(key)]),
                state_store,
                session_store,
                resolver,
                http_client,
            }),
        }
        .map_err(|e| Error::Config(format!("OAuth client: {e}")))
    }

    /// Resolves handles, apart from any login.
    pub fn handles(&self) -> Handles {
        Handles::new(&self.config, self.dns.clone(), &self.http)
    }
}
