//! What a browser does on a PDS's sign-in page, over plain HTTP: sign in, consent or reject, follow the redirect.

use std::collections::HashMap;

use reqwest::Response;
use serde_json::{Value, json};
use url::Url;
use waddle_identity::Callback;

#[derive(Default)]
struct Jar(HashMap<String, String>);

impl Jar {
    fn take(&mut self, r: &Response) {
        for v in r.headers().get_all("set-cookie") {
            let pair = v.to_str().unwrap().split(';').next().unwrap();
            if let Some((k, v)) = pair.split_once('=') {
                self.0.insert(k.into(), v.into());
            }
        }
    }
    fn header(&self) -> String {
        self.0
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Where the names of a test network are, and whom to trust there.
#[derive(Clone)]
pub struct Names {
    pub hosts: Vec<(String, std::net::SocketAddr)>,
    pub roots: rustls::RootCertStore,
}

fn client(names: Names) -> reqwest::Client {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(names.roots)
        .with_no_client_auth();
    let mut builder = reqwest::Client::builder();
    for (name, addr) in &names.hosts {
        builder = builder.resolve(name, *addr);
    }
    builder
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("test browser")
        .build()
        .unwrap()
}

/// Signs in at `auth_url` and consents, or rejects; the URL on our redirect address that the browser is sent to.
pub async fn sign_in(auth_url: &Url, user: &str, password: &str, reject: bool) -> Url {
    let names = Names {
        hosts: Vec::new(),
        roots: rustls::RootCertStore::empty(),
    };
    sign_in_at(names, auth_url, user, password, reject).await
}

/// The same in a network with names of its own.
pub async fn sign_in_at(names: Names, auth_url: &Url, user: &str, password: &str, reject: bool) -> Url {
    let c = client(names);
    let issuer = auth_url.origin().ascii_serialization();
    let mut jar = Jar::default();
    let navigate = |url: &str, site: &str| {
        c.get(url)
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-site", site)
    };
    let page = navigate(auth_url.as_str(), "cross-site").send().await.unwrap();
    assert_eq!(page.status(), 200, "sign-in page");
    jar.take(&page);
    let api = async |jar: &mut Jar, name: &str, body: Value, bearer: Option<&str>| -> Value {
        let mut q = c
            .post(format!("{issuer}/@atproto/oauth-provider/~api/{name}"))
            .header("sec-fetch-mode", "same-origin")
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-dest", "empty")
            .header("origin", &issuer)
            .header("referer", auth_url.as_str())
            .header("cookie", jar.header())
            .header(
                "x-csrf-token",
                jar.0.get("csrf-token").cloned().unwrap_or_default(),
            )
            .json(&body);
        if let Some(b) = bearer {
            q = q.header("authorization", format!("Bearer {b}"));
        }
        let r = q.send().await.unwrap();
        jar.take(&r);
        let (status, text) = (r.status(), r.text().await.unwrap());
        assert_eq!(status, 200, "{name}: {text}");
        serde_json::from_str(&text).unwrap()
    };
    let next = if reject {
        api(&mut jar, "reject", json!({}), None).await
    } else {
        let credentials = json!({"locale": "en", "username": user, "password": password, "remember": false});
        let s = api(&mut jar, "sign-in", credentials, None).await;
        // 0.4.x names the account `sub`, 0.5.x `did`: a private API, so the PDS's version is pinned
        let key = if s["account"]["did"].is_string() {
            "did"
        } else {
            "sub"
        };
        let who = json!({ key: s["account"][key] });
        api(&mut jar, "consent", who, s["ephemeralToken"].as_str()).await
    };
    let r = navigate(next["url"].as_str().unwrap(), "same-origin")
        .header("referer", auth_url.as_str())
        .header("cookie", jar.header())
        .send()
        .await
        .unwrap();
    Url::parse(r.headers().get("location").unwrap().to_str().unwrap()).unwrap()
}

/// The query of a callback URL as the server reads it.
pub fn callback(url: &Url) -> Callback {
    let q: HashMap<String, String> = url.query_pairs().into_owned().collect();
    Callback {
        code: q.get("code").cloned(),
        state: q.get("state").cloned(),
        iss: q.get("iss").cloned(),
        error: q.get("error").cloned(),
    }
}
