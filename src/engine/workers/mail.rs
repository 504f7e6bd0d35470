//! Writes to people about what needs them, where the installation has a mail server: looks at the workspaces
//! in which something happened since the last round, and at those where a letter waits for its time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio_util::sync::CancellationToken;

use super::rest;
use crate::base::{Problem, WorkspaceId, limits};
use crate::service::{Services, Watch};
use crate::store::{Changes, Scope};

/// What comes of one cause comes within seconds, and is one letter.
const ROUND: Duration = Duration::from_secs(3);
/// After a round in which the mail server did not work.
const TROUBLE: Duration = Duration::from_mins(1);

const NAME: &str = "mail";

pub(super) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let mut changes = services.store.changes();
    let mut desk = Desk::default();
    let mut wait = ROUND;
    while rest(&services, &stop, (NAME, wait)).await {
        desk.note(&mut changes);
        wait = match desk.round(&services).await {
            Ok(()) => ROUND,
            Err(problem) => {
                services.jobs.failed(NAME, &problem);
                // Whom it could not come to is looked at again.
                desk.to_look = None;
                TROUBLE
            }
        };
        if wait == ROUND && desk.owed > 0 {
            let said =
                format!("{} workspaces: letters were not taken, and are tried again", desk.owed);
            services.jobs.failed(NAME, &said);
        }
    }
}

/// Between two looks at the alerts.
const ALERTS: Duration = Duration::from_secs(30);

/// What is known between two rounds.
#[derive(Default)]
struct Desk {
    /// What is known of alerts, and when they are looked at next.
    watch: Watch,
    alerts_at: Duration,
    /// How far each workspace was told of.
    reached: BTreeMap<WorkspaceId, u64>,
    /// Where a letter waits, and until when by the monotonic clock.
    later: BTreeMap<Scope, Duration>,
    /// Where something happened; `None` when it is not known, as at the beginning.
    to_look: Option<BTreeSet<Scope>>,
    /// Workspaces where somebody was not reached.
    owed: usize,
}

impl Desk {
    /// Takes in what happened meanwhile.
    fn note(&mut self, changes: &mut Receiver<Arc<Changes>>) {
        loop {
            match changes.try_recv() {
                Ok(changes) => match (&mut self.to_look, &changes.eventful) {
                    (Some(known), Some(more)) => known.extend(more),
                    _ => self.to_look = None,
                },
                Err(TryRecvError::Lagged(_)) => self.to_look = None,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    async fn round(&mut self, services: &Services) -> Result<(), Problem> {
        let now = services.clock.monotonic();
        if now >= self.alerts_at {
            services.write_alarms(&mut self.watch).await?;
            self.alerts_at = now + ALERTS;
        }
        self.owed = 0;
        let due = |(scope, at): (&Scope, &Duration)| (*at <= now).then_some(*scope);
        if let Some(mut scopes) = self.to_look.take() {
            scopes.extend(self.later.iter().filter_map(due));
            self.look(services, scopes).await?;
        } else {
            let mut after = None;
            loop {
                let page = services.workspaces_in_turn(after, limits::PAGE_MAX).await?;
                let Some((last, _)) = page.last() else { break };
                after = Some(last.clone());
                self.look(services, page.into_iter().map(|(_, scope)| scope).collect()).await?;
            }
        }
        self.to_look = Some(BTreeSet::new());
        Ok(())
    }

    async fn look(&mut self, services: &Services, scopes: BTreeSet<Scope>) -> Result<(), Problem> {
        for scope in scopes {
            let from = self.reached.get(&scope.workspace()).copied();
            let telling = services.write_letters(scope, from).await?;
            self.reached.insert(scope.workspace(), telling.to);
            self.owed += usize::from(telling.owed);
            match telling.wait {
                Some(wait) => self.later.insert(scope, services.clock.monotonic() + wait),
                None => self.later.remove(&scope),
            };
        }
        Ok(())
    }
}
