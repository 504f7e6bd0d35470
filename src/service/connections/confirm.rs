//! The last step: whoever granted says which accounts, for which workspace; then there are channels,
//! and what was held for one that is back goes on. Must not be skipped.

use std::collections::BTreeMap;

use super::super::channels::resume_held;
use super::super::{Access, Principal, Services, no, plans, refused, usage};
use super::{Bearing, event, may_still, place};
use crate::base::limits;
use crate::base::{ChannelId, Code, ConnectionId, CorrelationId, Problem, WorkspaceId, Wrong};
use crate::domain::access::Manage;
use crate::domain::channel::{Channel, ChannelState};
use crate::domain::connection::{Bound, Connection, Grant, Offer, Refused, Stage};
use crate::domain::publish::Moment;
use crate::domain::workspace::check_name;
use crate::networks::Facts;
use crate::store::rows::SealedCredential;
use crate::store::{Error, Scope, Span, Tx, View, WriteError};

/// An account that becomes a channel, or is one.
struct Chosen {
    id: ChannelId,
    offer: Offer,
    sealed: SealedCredential,
}

impl Services {
    /// Connects the accounts with these ids of their network. Gives the handles.
    pub async fn confirm_connection(
        &self,
        workspace: WorkspaceId,
        connection: ConnectionId,
        bearing: &Bearing<'_>,
        picks: &[String],
        correlation: CorrelationId,
    ) -> Result<(), Problem> {
        let (scope, row) = self.held(workspace, connection, bearing).await?;
        let now = self.now();
        let access = self.access_to_confirm(scope, &row, correlation).await?;
        let Stage::Granted { offers, until, sealed, grant } = &row.stage else {
            return Err(Problem::new(Code::ConnectionOver));
        };
        if now >= *until {
            return Err(Problem::new(Code::ConnectionOver));
        }
        let picked: Vec<Offer> = offers
            .iter()
            .filter(|offer| picks.contains(&offer.account.remote_id))
            .cloned()
            .collect();
        if picked.is_empty() || picked.len() < picks.len() {
            return Err(Problem::field("account", Wrong::Missing));
        }
        if row.channel.is_some() && picked.len() > 1 {
            let why = "is one too many: one account is connected again";
            return Err(Problem::field("account", Wrong::NotPossible { why }));
        }
        let credential = self.unseal_at(&scope, &place(&scope, connection), sealed).await?;
        let known = self.known_channels(scope, &row).await?;
        let mut chosen = Vec::new();
        for offer in picked {
            let known = known.get(&offer.account.remote_id).copied().or(row.channel);
            let id = known.unwrap_or_else(|| ChannelId::new(self.now(), self.rng.as_ref()));
            let sealed = self.seal(scope, id, &credential).await?;
            chosen.push(Chosen { id, offer, sealed });
        }
        let done = Confirmed { connection, chosen, grant: grant.clone(), correlation };
        let (services, dice) = (self.clone(), self.rng.next_u64());
        let written = self.store.write(move |tx| {
            let moment = Moment { now, epoch: services.store.epoch(), dice };
            done.write(tx, &services, &access, moment)
        });
        match written.await.map_err(refused)? {
            None => Ok(()),
            Some(why) => Err(Problem::new(Code::ConnectionOver).with("reason", why.word())),
        }
    }

    /// The right to make channels, as whoever began it has it at this moment.
    async fn access_to_confirm(
        &self,
        scope: Scope,
        row: &Connection,
        correlation: CorrelationId,
    ) -> Result<Access<Manage>, Problem> {
        match &row.bound {
            Bound::Session { user, session } => {
                let who = Principal::of_user(*user, *session, self.now());
                self.access::<Manage>(&who, scope.workspace(), correlation).await
            }
            Bound::Browser(_) | Bound::Link(_) => {
                let (by, now) = (row.by.clone(), self.now());
                let may = self.store.read({
                    let by = by.clone();
                    move |view| may_still(view, &scope, &by, now)
                });
                if !may.await.map_err(super::super::trouble)? {
                    return Err(Problem::new(Code::ConnectionOver));
                }
                Ok(Access::of_link(scope, by, correlation))
            }
        }
    }

    /// Channels of the connection's network, by the account that each has.
    async fn known_channels(
        &self,
        scope: Scope,
        row: &Connection,
    ) -> Result<BTreeMap<String, ChannelId>, Problem> {
        let network = row.network.clone();
        let found = self.store.read(move |view| known(view, &scope, &network)).await;
        found.map_err(super::super::trouble)
    }
}

fn known(
    view: &View<'_>,
    scope: &Scope,
    network: &str,
) -> Result<BTreeMap<String, ChannelId>, Error> {
    let rows = view.scan::<Channel>(scope, &Span::first(limits::SCAN_MAX))?;
    let live = |channel: &Channel| {
        channel.network == network && !matches!(channel.state, ChannelState::Removed { .. })
    };
    let rows = rows.into_iter().filter(|(_, channel)| live(channel));
    Ok(rows.filter_map(|(id, channel)| Some((channel.account?.remote_id, id))).collect())
}

/// The handles among `offers` whose account has a channel, and its name.
pub(super) fn renewed(
    view: &View<'_>,
    scope: &Scope,
    network: &str,
    offers: &[Offer],
) -> Result<Vec<(String, String)>, Error> {
    let known = if offers.is_empty() { BTreeMap::new() } else { known(view, scope, network)? };
    let mut renewed = Vec::new();
    for Offer { account, .. } in offers {
        if let Some(id) = known.get(&account.remote_id)
            && let Some(channel) = view.get::<Channel>(scope, id)?
        {
            renewed.push((account.handle.clone(), channel.name));
        }
    }
    Ok(renewed)
}

/// What is written, all or nothing.
struct Confirmed {
    connection: ConnectionId,
    chosen: Vec<Chosen>,
    grant: Grant,
    correlation: CorrelationId,
}

impl Confirmed {
    fn write(
        &self,
        tx: &mut Tx<'_>,
        services: &Services,
        access: &Access<Manage>,
        moment: Moment,
    ) -> Result<Option<Refused>, WriteError<Problem>> {
        let (scope, now) = (access.scope, moment.now);
        let Some(mut row) = tx.get::<Connection>(&scope, &self.connection)? else {
            return no(super::not_found());
        };
        // Two at once: the first has made the channels.
        if !matches!(row.stage, Stage::Granted { .. }) {
            return no(Problem::new(Code::ConnectionOver));
        }
        let known = known(&tx.view(), &scope, &row.network)?;
        for one in &self.chosen {
            let there = tx.get::<Channel>(&scope, &one.id)?;
            let there = there.filter(|it| !matches!(it.state, ChannelState::Removed { .. }));
            let other = match &there {
                Some(channel) => {
                    let account = channel.account.as_ref();
                    account.is_some_and(|it| it.remote_id != one.offer.account.remote_id)
                }
                // Somebody was quicker to connect the same account.
                None => known.contains_key(&one.offer.account.remote_id),
            };
            let asked = row.channel.is_some_and(|channel| channel != one.id);
            if other || asked {
                row.stage = Stage::Failed { why: Refused::OtherAccount, at: now };
                tx.put(&scope, &row.id, &row)?;
                let told = [("reason", Refused::OtherAccount.word())];
                let told = event(&row, "connection.failed", (now, self.correlation), &told);
                tx.append_event(&scope, told)?;
                return Ok(Some(Refused::OtherAccount));
            }
            match there {
                Some(channel) => again(tx, services, access, (channel, one), moment)?,
                None => self.add(tx, services, access, (&row, one), moment)?,
            }
            tx.put(&scope, &one.id, &one.sealed)?;
            tx.put(&scope, &one.id, &self.grant)?;
        }
        let channels = self.chosen.iter().map(|one| one.id).collect();
        row.stage = Stage::Done { channels, at: now };
        tx.put(&scope, &row.id, &row)?;
        let told = event(&row, "connection.done", (now, self.correlation), &[]);
        tx.append_event(&scope, told)?;
        Ok(None)
    }

    fn add(
        &self,
        tx: &mut Tx<'_>,
        services: &Services,
        access: &Access<Manage>,
        (row, one): (&Connection, &Chosen),
        moment: Moment,
    ) -> Result<(), WriteError<Problem>> {
        let granted = usage::granted(&tx.view(), &access.scope, &services.plans.get())?;
        if let Some(over) = plans::room_for_channel(&tx.view(), &access.scope, &granted)? {
            return no(over);
        }
        let account = &one.offer.account;
        let own = row.name.clone().filter(|_| self.chosen.len() == 1);
        let short: String = account.handle.chars().take(limits::NAME_CHARS).collect();
        let name = own.or_else(|| check_name("name", &short).ok());
        let channel = Channel {
            id: one.id,
            revision: 1,
            created_at: moment.now,
            network: row.network.clone(),
            name: name.unwrap_or_else(|| row.network.clone()),
            state: ChannelState::Connected,
            paused: false,
            instance: None,
            account: Some(account.clone()),
            facts: Facts::clone(&one.offer.facts),
            grace: None,
        };
        tx.put(&access.scope, &one.id, &channel)?;
        let mut told = access.event(services, "channel.added", &one.id.to_string());
        told.data.insert("network".to_owned(), row.network.clone());
        told.data.insert("connection".to_owned(), row.id.to_string());
        Ok(tx.append_event(&access.scope, told)?)
    }
}

/// The account is back: its channel keeps its history, and what was held for it goes on.
fn again(
    tx: &mut Tx<'_>,
    services: &Services,
    access: &Access<Manage>,
    (mut channel, one): (Channel, &Chosen),
    moment: Moment,
) -> Result<(), WriteError<Problem>> {
    channel.state = ChannelState::Connected;
    channel.account = Some(one.offer.account.clone());
    channel.facts = one.offer.facts.clone();
    channel.revision += 1;
    tx.put(&access.scope, &one.id, &channel)?;
    resume_held(tx, services, access, one.id, moment)?;
    let mut told = access.event(services, "channel.reconnected", &one.id.to_string());
    told.data.insert("network".to_owned(), channel.network);
    Ok(tx.append_event(&access.scope, told)?)
}
