//! The chains of events as they are stored, checked from end to end. Must not change them.

use std::time::Duration;

use super::super::incidents::{Broken, note_chains};
use super::super::{Access, Services, refused, trouble};
use super::{CheckShown, STEP};
use crate::base::{CorrelationId, Problem, limits};
use crate::domain::access::Manage;
use crate::domain::chain::{Check, Fault, Head};
use crate::domain::event::Actor;
use crate::store::rows::{Slug, chain, chain_start, verify_chain};
use crate::store::{Error, Scope, Span, Table};

/// The name of the job that checks all of them.
const JOB: &str = "chains";
/// Between two steps of that job: posts go first.
const PAUSE: Duration = Duration::from_millis(20);

/// What the installation's own chain is called.
const INSTALLATION: &str = "installation";

impl Services {
    /// Makes every hash of the chain again, as it is stored now.
    pub async fn check_events(&self, access: &Access<Manage>) -> Result<CheckShown, Problem> {
        let (events, verdict) = self.walk_chain(access.scope, Duration::ZERO).await?;
        Ok(CheckShown::of(events, verdict))
    }

    /// Checks every chain, and notes those that do not hold.
    pub async fn check_chains(&self) -> Result<(), Problem> {
        let mut broken = Broken::new();
        let own = Scope::installation();
        if let (_, Err(fault)) = self.walk_chain(own, PAUSE).await? {
            broken.insert(own.workspace(), (INSTALLATION.to_owned(), fault));
        }
        let mut after = None;
        loop {
            let page = self.workspaces_in_turn(after, limits::PAGE_MAX).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (slug, scope) in page {
                if self.jobs.stops(JOB) {
                    return self.tell_of_chains(broken, false).await;
                }
                if let (_, Err(fault)) = self.walk_chain(scope, PAUSE).await?
                    && self.is_broken(slug.clone(), scope).await?
                {
                    broken.insert(scope.workspace(), (slug, fault));
                }
            }
        }
        self.tell_of_chains(broken, true).await
    }

    /// Looks at a chain in one transaction: what looked broken in steps may have been erased meanwhile.
    async fn is_broken(&self, slug: String, scope: Scope) -> Result<bool, Problem> {
        let looked = self.store.read(move |view| {
            let row = view.get_global::<Slug>(&slug)?;
            if row.is_none_or(|row| row.workspace != scope.workspace()) {
                return Ok(false);
            }
            match verify_chain(view, &scope) {
                Err(Error::Corrupt { table: Table::Events, .. }) => Ok(true),
                verdict => Ok(verdict?.is_err()),
            }
        });
        looked.await.map_err(trouble)
    }

    async fn tell_of_chains(&self, broken: Broken, all: bool) -> Result<(), Problem> {
        let (now, services) = (self.now(), self.clone());
        let correlation = CorrelationId::new(self.rng.as_ref());
        for (workspace, (_, Fault { sequence, what })) in &broken {
            let what = what.word();
            tracing::error!(%workspace, sequence, what, "a record of events does not hold");
        }
        let told = self.store.write(move |tx| {
            for id in note_chains(tx, &broken, all, now)? {
                let subject = id.to_string();
                let whose = broken.get(&id).map_or("", |(slug, _)| slug.as_str());
                let by = (Actor::System, correlation);
                services.note_installation(tx, by, ("chain.broken", &subject), &[("of", whose)])?;
            }
            Ok(())
        });
        told.await.map_err(refused)
    }

    /// Walks a chain step by step; how many events it has, and its head or what is wrong first.
    async fn walk_chain(
        &self,
        scope: Scope,
        pause: Duration,
    ) -> Result<(u64, Result<Head, Fault>), Problem> {
        let mut check = Check::after(chain_start(scope.workspace()), None);
        let (mut last, mut events, mut step) = (None, 0, STEP);
        loop {
            let span = Span::first(step).after(last.as_ref());
            let rows = match self.store.read(move |view| chain(view, &scope, &span)).await {
                Err(Error::Corrupt { table: Table::Events, .. }) if step > 1 => {
                    // Which of them it is.
                    step = 1;
                    continue;
                }
                Err(Error::Corrupt { table: Table::Events, .. }) => {
                    check.unreadable();
                    return Ok((events, check.finish()));
                }
                rows => rows.map_err(trouble)?,
            };
            for row in &rows {
                check.push(&row.link());
                events += 1;
            }
            match rows.last() {
                Some(row) if rows.len() == step => last = Some(row.sequence),
                _ => return Ok((events, check.finish())),
            }
            if !pause.is_zero() {
                self.clock.sleep(pause).await;
            }
        }
    }
}
