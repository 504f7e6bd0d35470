//! Which events somebody sees who is limited to channels: not those about what is out of reach.

use crate::domain::channel::Channel;
use crate::domain::connection::Connection;
use crate::domain::delivery::Delivery;
use crate::domain::event::Event;
use crate::domain::post::Post;
use crate::store::{Error, Scope, View};

/// Whether the holder of the scope sees what the event is about.
pub(super) fn is_seen(view: &View<'_>, scope: &Scope, event: &Event) -> Result<bool, Error> {
    if !scope.is_held() {
        return Ok(true);
    }
    let subject = event.subject.as_str();
    Ok(match event.kind.split('.').next() {
        Some("post") => match subject.parse() {
            Ok(id) => view.get::<Post>(scope, &id)?.is_some(),
            Err(_) => false,
        },
        Some("delivery") => match subject.parse() {
            Ok(id) => view.get::<Delivery>(scope, &id)?.is_some(),
            Err(_) => false,
        },
        Some("channel") => match subject.parse() {
            Ok(id) => view.get::<Channel>(scope, &id)?.is_some(),
            Err(_) => false,
        },
        Some("connection") => match subject.parse() {
            Ok(id) => view.get::<Connection>(scope, &id)?.is_some(),
            Err(_) => false,
        },
        _ => true,
    })
}
