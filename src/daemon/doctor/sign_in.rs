//! Whether people can sign in at the identity provider that the settings name. Must not sign in.

use std::sync::Arc;

use super::super::build::{oidc, oidc_secret_place};
use super::super::runtime;
use super::{Finding, fail, ok, warn};
use crate::base::{CorrelationId, Secret, SystemClock, SystemRng};
use crate::config::Config;
use crate::outbound::Origin;
use crate::outbound::client::{HttpSettings, HttpTransport};
use crate::outbound::guard::system_lookup;
use crate::outbound::oauth::{Exchange, OauthApp, OauthError, Traded};
use crate::outbound::oidc::{Call, DEADLINE, OidcError, Provider};
use crate::service::OidcSettings;

const CHECK: &str = "sign-in";
const REMEDY: &str =
    "look at oidc.issuer, oidc.client_id and the secret; `carillon config explain oidc`";
/// No code is like this; what is said of it tells whether the client is known.
const NO_CODE: &str = "carillon-looks-whether-the-client-is-known";

/// Asks the provider what it says of itself, for its keys, and whether it knows this installation.
pub(super) fn sign_in(config: &Config) -> Option<Finding> {
    if config.oidc.issuer.is_some() && oidc_secret_place(config).is_none() {
        let seen = "there is no secret of the client, unless the unit has it as a credential";
        let remedy = "set oidc.client_secret_file, or give the unit the credential `oidc`, and look from within it";
        return Some(warn(CHECK, seen, remedy));
    }
    let settings = match oidc(config) {
        Ok(settings) => settings,
        Err(error) => return Some(fail(CHECK, error.to_string(), REMEDY)),
    };
    let Some(issuer) = settings.issuer.clone() else {
        let alone = "passwords are not taken, and there is no identity provider: only administrators can sign in";
        return (!settings.passwords)
            .then(|| warn(CHECK, alone, "set oidc.issuer, or oidc.passwords = true"));
    };
    let back = config.server.url(config.server.listen) + "/sign-in/oidc/callback";
    Some(match asked(config, &issuer, &settings, &back) {
        Err(why) => fail(CHECK, why, REMEDY),
        Ok(()) if config.server.public_url.is_none() => {
            let seen = format!(
                "{issuer} knows this client, but does not know where to send people back to"
            );
            warn(CHECK, seen, "set server.public_url, with https")
        }
        Ok(()) => {
            ok(CHECK, format!("{issuer} knows this client; it must send people back to {back}"))
        }
    })
}

fn asked(config: &Config, issuer: &str, settings: &OidcSettings, back: &str) -> Result<(), String> {
    let http = HttpSettings {
        connect_timeout: config.outbound.connect_timeout,
        ..HttpSettings::default()
    };
    let transport = HttpTransport::new(http, system_lookup(), Arc::new(SystemClock::new()));
    let transport = transport.map_err(|error| error.to_string())?;
    let correlation = CorrelationId::new(&SystemRng::default());
    let call = Call { transport: &transport, correlation };
    let redirect_uri = back.parse().map_err(|_| "server.public_url is no address".to_owned())?;
    let looked = runtime().map_err(|error| error.to_string())?.block_on(async {
        let provider = Provider::discover(call, issuer).await?;
        let keys = provider.keys(call).await?;
        let app = OauthApp {
            client_id: settings.client_id.clone(),
            client_secret: Secret::new(settings.client_secret.reveal().clone()),
            proves: provider.proves,
            auth_url: provider.authorize,
            token_url: provider.token,
            redirect_uri,
            origin: Origin::Configured,
        };
        let traded = Traded::Code(NO_CODE, None);
        let exchange = Exchange { traded, deadline: DEADLINE, correlation };
        Ok::<_, OidcError>((keys, app.exchange(&transport, exchange).await))
    });
    match looked {
        Err(error) => Err(format!("{issuer}: {error}")),
        Ok((keys, _)) if keys.is_empty() => {
            Err(format!("{issuer} has no key of a kind that is known here"))
        }
        Ok((_, Err(OauthError::Refused { code, status }))) => match code.as_str() {
            "invalid_client" | "unauthorized_client" => Err(format!(
                "{issuer} does not know oidc.client_id, or the secret is another ({code}, status {status})"
            )),
            _ => Ok(()),
        },
        Ok((_, Err(error))) => Err(format!("{issuer}: {error}")),
        Ok((_, Ok(_))) => Ok(()),
    }
}
