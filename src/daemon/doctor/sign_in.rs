//! Whether people can sign in at the identity provider that the settings name. Must not sign in.

use std::sync::Arc;

use super::super::build::oidc;
use super::super::runtime;
use super::{Finding, fail, ok};
use crate::base::{CorrelationId, SystemClock, SystemRng};
use crate::config::Config;
use crate::outbound::client::{HttpSettings, HttpTransport};
use crate::outbound::guard::system_lookup;
use crate::outbound::oidc::{Call, Provider};

const CHECK: &str = "sign-in";

/// Asks the provider what it says of itself, and for its keys.
pub(super) fn sign_in(config: &Config) -> Option<Finding> {
    let issuer = config.oidc.issuer.as_deref()?;
    Some(match asked(config, issuer) {
        Ok(()) => {
            let back = config.server.url(config.server.listen);
            ok(
                CHECK,
                format!(
                    "{issuer} answers; it must send people back to {back}/sign-in/oidc/callback"
                ),
            )
        }
        Err(why) => {
            let remedy = "look at oidc.issuer, oidc.client_id and the secret; `carillon config explain oidc`";
            fail(CHECK, why, remedy)
        }
    })
}

fn asked(config: &Config, issuer: &str) -> Result<(), String> {
    oidc(config).map_err(|error| error.to_string())?;
    let settings = HttpSettings {
        connect_timeout: config.outbound.connect_timeout,
        ..HttpSettings::default()
    };
    let transport = HttpTransport::new(settings, system_lookup(), Arc::new(SystemClock::new()));
    let transport = transport.map_err(|error| error.to_string())?;
    let correlation = CorrelationId::new(&SystemRng::default());
    let call = Call { transport: &transport, correlation };
    let looked = runtime().map_err(|error| error.to_string())?.block_on(async {
        let provider = Provider::discover(call, issuer).await?;
        provider.keys(call).await
    });
    match looked {
        Ok(keys) if keys.is_empty() => {
            Err(format!("{issuer} has no key of a kind that is known here"))
        }
        looked => looked.map(drop).map_err(|error| format!("{issuer}: {error}")),
    }
}
