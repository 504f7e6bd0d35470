//! Whether what networks tell by webhooks can come in, as the running server has it. Must not ask a network.

use serde_json::Value;

use super::{Finding, count, ok, warn};
use crate::networks::{self, Network};

const CHECK: &str = "webhooks";

/// One line for each network that sends them, and whose application is set.
pub(super) fn webhooks(status: &Value) -> Vec<Finding> {
    let url = status["public_url"].as_str().unwrap_or_default();
    let all = status["webhooks"].as_array().into_iter().flatten();
    all.filter_map(|one| Some(webhook(one["network"].as_str()?, one, url))).collect()
}

fn webhook(network: &str, one: &Value, url: &str) -> Finding {
    let inbound = networks::named(network).and_then(Network::inbound);
    let own_secret = inbound.is_some_and(|inbound| inbound.own_secret);
    let secret = if own_secret {
        format!("carillon app webhook-secret {network} --webhook-secret-file FILE")
    } else {
        format!("carillon app rotate {network} --client-secret-file FILE")
    };
    if one["ready"] != true {
        return warn(CHECK, format!("{network}: none is taken: no secret of them is set"), secret);
    }
    let own = format!("{url}/hooks/{network}");
    if !url.starts_with("https://") {
        let remedy =
            "set server.public_url to the https address of the proxy, and tell the network";
        return warn(
            CHECK,
            format!("{network}: none can come to {own}, which is not https"),
            remedy,
        );
    }
    let last = match one["last"].as_str() {
        Some(at) => format!("the last one came at {at}"),
        None => "none came yet".to_owned(),
    };
    match count(one, "/refused") {
        0 => ok(CHECK, format!("{network}: {own}: {last}")),
        refused => {
            let seen = format!("{network}: {last}; {refused} were refused within an hour");
            let remedy = format!(
                "`carillon event installation` says why; if {network} sent them, set its secret anew: {secret}"
            );
            warn(CHECK, seen, remedy)
        }
    }
}
