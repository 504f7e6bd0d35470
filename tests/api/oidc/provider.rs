//! An identity provider in process: code, PKCE, ID tokens that are really signed, userinfo. It holds
//! the client to the standard, and can be told to break it.

use std::collections::BTreeMap;

use carillon::base::{Clock, ManualClock};
use carillon::outbound::{Body, Request, Response, SendError};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::harness::PUBLIC_URL;

pub const ISSUER: &str = "https://id.example";
pub const CLIENT: (&str, &str) = ("carillon", "the-secret-of-the-client");

/// What an authorization was for.
struct Given {
    nonce: String,
    challenge: String,
    claims: Value,
}

/// Changes what is said of somebody before it is signed.
pub type Twist = fn(&mut Value);

pub struct Provider {
    clock: ManualClock,
    codes: BTreeMap<String, Given>,
    /// Access token: what userinfo says for it.
    told: BTreeMap<String, Value>,
    /// Of the key that signs now.
    seed: u8,
    /// Whether its keys are told with their name.
    pub twist: Option<Twist>,
    /// Signs with a key that nobody was told of.
    pub forged: bool,
    /// Signs with the client's secret, which both sides have.
    pub by_secret: bool,
    /// E-mail and name are told by userinfo only, as most providers do.
    pub by_userinfo: bool,
    pub down: bool,
    /// What it can be asked to show, if it tells.
    pub prompts: Option<Value>,
    /// What it was asked to show last.
    pub prompted: Option<String>,
    /// What it calls itself.
    pub issuer: &'static str,
    /// How often somebody asked for its keys.
    pub keys_asked: usize,
    count: usize,
}

fn key(seed: u8) -> EncodingKey {
    // An Ed25519 key in PKCS #8 is this and 32 bytes (RFC 8410, section 7).
    let prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    EncodingKey::from_ed_der(&[&prefix[..], &[seed; 32]].concat())
}

fn answer(status: u16, json: &Value) -> Response {
    Response { status, headers: HeaderMap::new(), body: json.to_string().into() }
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

impl Provider {
    pub fn new(clock: ManualClock) -> Self {
        Self {
            clock,
            codes: BTreeMap::new(),
            told: BTreeMap::new(),
            seed: 1,
            twist: None,
            forged: false,
            by_secret: false,
            by_userinfo: false,
            down: false,
            prompts: None,
            prompted: None,
            issuer: ISSUER,
            keys_asked: 0,
            count: 0,
        }
    }

    /// Signs with another key from now on, and tells no other.
    pub fn rotate(&mut self) {
        self.seed += 1;
    }

    /// What the browser does at the provider: somebody signs in there, and is sent back to this
    /// address of ours. `claims` say who it is.
    pub fn authorize(&mut self, url: &str, claims: &Value) -> String {
        let url = Url::parse(url).unwrap();
        assert_eq!(url.as_str().split('?').next(), Some(&*format!("{ISSUER}/authorize")));
        let asked = pairs(url.query().unwrap());
        let said = |name: &str| asked.get(name).cloned().unwrap_or_default();
        assert_eq!(
            (said("response_type").as_str(), said("client_id").as_str()),
            ("code", CLIENT.0)
        );
        assert_eq!(said("redirect_uri"), format!("{PUBLIC_URL}/sign-in/oidc/callback"));
        assert!(said("scope").split(' ').any(|scope| scope == "openid"));
        assert_eq!(said("code_challenge_method"), "S256");
        assert_eq!((said("state").len(), said("nonce").len()), (43, 43), "256 bits each");
        self.prompted = asked.get("prompt").cloned();
        self.count += 1;
        let code = format!("code-{}", self.count);
        let mut claims = claims.clone();
        if said("max_age") == "0" {
            assert_eq!(said("prompt"), "login");
            claims["auth_time"] = json!(self.clock.now().as_millis() / 1_000);
        }
        let given = Given { nonce: said("nonce"), challenge: said("code_challenge"), claims };
        self.codes.insert(code.clone(), given);
        let back = [("code", code.as_str()), ("state", &said("state")), ("iss", ISSUER)];
        let back = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(back).finish();
        format!("/sign-in/oidc/callback?{back}")
    }

    pub fn answer(&mut self, request: &Request) -> Result<Response, SendError> {
        if self.down {
            return Err(SendError::NotSent { why: "the connection was refused" });
        }
        Ok(match request.url.path() {
            "/.well-known/openid-configuration" => answer(200, &self.discovery()),
            "/keys" => {
                self.keys_asked += 1;
                let mut jwk = Jwk::from_encoding_key(&key(self.seed), Algorithm::EdDSA).unwrap();
                jwk.common.key_id = Some(format!("key-{}", self.seed));
                let odd = json!({ "kty": "future", "kid": "odd" });
                answer(200, &json!({ "keys": [odd, jwk] }))
            }
            "/token" => self.token(request),
            "/userinfo" => {
                let bearer = request.headers[AUTHORIZATION].to_str().unwrap().to_owned();
                answer(200, &self.told[bearer.strip_prefix("Bearer ").unwrap()])
            }
            other => panic!("nobody has {other}"),
        })
    }

    fn discovery(&self) -> Value {
        let mut said = json!({
            "issuer": self.issuer,
            "authorization_endpoint": format!("{ISSUER}/authorize"),
            "token_endpoint": format!("{ISSUER}/token"),
            "userinfo_endpoint": format!("{ISSUER}/userinfo"),
            "jwks_uri": format!("{ISSUER}/keys"),
            "authorization_response_iss_parameter_supported": true,
        });
        if let Some(prompts) = &self.prompts {
            said["prompt_values_supported"] = prompts.clone();
        }
        said
    }

    fn token(&mut self, request: &Request) -> Response {
        let basic =
            format!("Basic {}", BASE64.encode(format!("{}:{}", CLIENT.0, CLIENT.1).as_bytes()));
        assert_eq!(request.headers[AUTHORIZATION].to_str().unwrap(), basic);
        let Body::Whole(body) = &request.body else { panic!("a form is whole") };
        let form = pairs(std::str::from_utf8(body).unwrap());
        assert_eq!(form["redirect_uri"], format!("{PUBLIC_URL}/sign-in/oidc/callback"));
        // A code is good once.
        let Some(given) = self.codes.remove(&form["code"]) else {
            return answer(400, &json!({ "error": "invalid_grant" }));
        };
        let proved = BASE64URL_NOPAD.encode(&Sha256::digest(&form["code_verifier"]));
        if proved != given.challenge {
            return answer(400, &json!({ "error": "invalid_grant" }));
        }
        let now = self.clock.now().as_millis() / 1_000;
        let mut claims = json!({
            "iss": ISSUER, "aud": CLIENT.0, "iat": now, "exp": now + 300, "nonce": given.nonce,
        });
        let access = format!("access-{}", self.count);
        self.told.insert(access.clone(), given.claims.clone());
        for (name, value) in given.claims.as_object().unwrap() {
            if !self.by_userinfo || ["sub", "auth_time"].contains(&name.as_str()) {
                claims[name] = value.clone();
            }
        }
        if let Some(twist) = self.twist {
            twist(&mut claims);
        }
        let id_token = self.signed(&claims);
        answer(
            200,
            &json!({ "access_token": access, "token_type": "Bearer", "id_token": id_token }),
        )
    }

    fn signed(&self, claims: &Value) -> String {
        let (header, with) = if self.by_secret {
            (Header::new(Algorithm::HS256), EncodingKey::from_secret(CLIENT.1.as_bytes()).unwrap())
        } else {
            let mut header = Header::new(Algorithm::EdDSA);
            header.kid = Some(format!("key-{}", self.seed));
            (header, key(if self.forged { 99 } else { self.seed }))
        };
        jsonwebtoken::encode(&header, claims, &with).unwrap()
    }
}
