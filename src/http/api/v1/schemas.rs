//! Schemas that the derives cannot make: words out of a list that lives elsewhere, and bounds of
//! the items of a list. Must be read with the checks in mind: what is written here is enforced.

use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType};
use utoipa::openapi::{SchemaFormat, Type};

use crate::base::limits;
use crate::domain::access::{ChannelGrant, Role, Scope};
use crate::domain::approval::REVIEWERS;
use crate::domain::plan::PlanName;
use crate::domain::publish::State;
use crate::domain::user::BurstAct;
use crate::networks;
use crate::service::ExportFormat;

pub fn text(max: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(max))
}

fn one_of<'w>(words: impl IntoIterator<Item = &'w str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words))
}

fn list(items: ObjectBuilder, max: usize) -> ArrayBuilder {
    ArrayBuilder::new().items(items).max_items(Some(max))
}

pub fn network() -> Schema {
    let about = "The `id` of a network.";
    one_of(networks::REGISTRY.iter().map(|n| n.word())).description(Some(about)).into()
}

pub fn consent() -> Schema {
    let about = "The `id` of a network whose accounts are connected on its own page.";
    let words = networks::REGISTRY.iter().filter(|n| n.oauth().is_some()).map(|n| n.word());
    one_of(words).description(Some(about)).into()
}

pub fn sender() -> Schema {
    let about = "The `id` of a network that sends webhooks.";
    let words = networks::REGISTRY.iter().filter(|n| n.inbound().is_some()).map(|n| n.word());
    one_of(words).description(Some(about)).into()
}

pub fn without() -> Schema {
    let about = "Scopes that the network does not let it ask for.";
    list(text(100), limits::APP_SCOPES).description(Some(about)).into()
}

pub fn refreshed() -> Schema {
    let about = "Ids of channels; without them, all whose time has come.";
    let id = text(36).format(Some(SchemaFormat::Custom("uuid".to_owned())));
    list(id, 50).description(Some(about)).into()
}

pub fn delivery_state() -> Schema {
    let about = "Only those in this state.";
    one_of(State::ALL.map(State::word)).description(Some(about)).into()
}

pub fn post_state() -> Schema {
    let about = "Only drafts, or those with a delivery in this state.";
    one_of(["draft"].into_iter().chain(State::ALL.map(State::word))).description(Some(about)).into()
}

pub fn approval_state() -> Schema {
    let about = "Only those that wait for approval, were approved, or were declined; no drafts.";
    one_of(["asked", "given", "declined"]).description(Some(about)).into()
}

pub fn approval_rule() -> Schema {
    let about = "Whose word is asked for: nobody's, that of an admin, or that of the reviewers.";
    one_of(["off", "any_admin", "reviewers"]).description(Some(about)).into()
}

pub fn reviewers() -> Schema {
    let about = "Ids of members, but for viewers; only with the rule `reviewers`.";
    let id = text(36).format(Some(SchemaFormat::Custom("uuid".to_owned())));
    list(id, REVIEWERS).description(Some(about)).into()
}

pub fn bursts() -> Schema {
    let about = "What is done about far too much at once, and about a text that many workspaces have: \
        pause stops the channels concerned, approve the posts. Left as it is when it is not given.";
    one_of(BurstAct::ALL.map(BurstAct::word)).description(Some(about)).into()
}

pub fn decision() -> Schema {
    one_of(["it_is_there", "send_again", "drop"]).into()
}

pub fn scopes() -> Schema {
    let about = "Each of `read`, `write`, `publish`, `admin` includes those before it.";
    let items = one_of(Scope::ALL.map(Scope::word));
    list(items, Scope::ALL.len()).min_items(Some(1)).description(Some(about)).into()
}

/// As long as an address can be, with a slash and the number of bits.
const NET_CHARS: usize = 49;

pub fn addresses() -> Schema {
    let about = "Where alone it is good: addresses such as 192.0.2.1, and blocks such as 10.0.0.0/8 \
        or 2001:db8::/32.";
    let net = text(NET_CHARS).min_length(Some(2));
    list(net, limits::ADDRESSES_PER_KEY).min_items(Some(1)).description(Some(about)).into()
}

pub fn email() -> Schema {
    text(limits::EMAIL_BYTES).min_length(Some(3)).into()
}

pub fn style() -> Schema {
    let about = "A CSS value without quotes and semicolons.";
    let plain = text(100).min_length(Some(1)).pattern(Some("^[A-Za-z0-9 #%(),./-]+$"));
    plain.description(Some(about)).into()
}

pub fn export_format() -> Schema {
    let about = "`jsonl` if not given.";
    one_of(ExportFormat::WORDS).description(Some(about)).into()
}

pub fn plan() -> Schema {
    one_of(PlanName::ALL.map(PlanName::word)).into()
}

pub fn cap() -> Schema {
    let about = "A number, or `unlimited`.";
    text(15).pattern(Some("^(unlimited|[0-9]{1,15})$")).description(Some(about)).into()
}

pub fn role() -> Schema {
    one_of(Role::ALL.map(Role::word)).description(Some("What they will be.")).into()
}

pub fn grants() -> Schema {
    granted().into()
}

fn granted() -> ObjectBuilder {
    let about = "What they may do, by the id of a channel; the others are as good as missing.";
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(one_of(ChannelGrant::ALL.map(ChannelGrant::word))))
        .max_properties(Some(limits::CHANNELS_PER_POST))
        .description(Some(about))
}

/// The same, and null, which lifts the limit.
pub fn grants_or_null() -> Schema {
    let types = SchemaType::from_iter([Type::Object, Type::Null]);
    granted().schema_type(types).into()
}

pub fn id() -> Schema {
    text(36).format(Some(SchemaFormat::Custom("uuid".to_owned()))).into()
}

pub fn channels() -> Schema {
    let about = "Ids of channels. A draft may have none yet.";
    let id = text(36).format(Some(SchemaFormat::Custom("uuid".to_owned())));
    list(id, limits::CHANNELS_PER_POST).description(Some(about)).into()
}

pub fn tags() -> Schema {
    list(text(limits::TAG_CHARS).min_length(Some(1)), limits::TAGS_PER_POST).into()
}

pub fn media() -> Schema {
    list(text(100), limits::MEDIA_PER_PART).description(Some("Ids of assets.")).into()
}
