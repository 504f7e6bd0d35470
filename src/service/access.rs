//! Who asks, and with which right: the only way to a workspace's data. An [`Access`] cannot be
//! made without a live key of that workspace, or by an operator, who leaves an event.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use sha2::{Digest, Sha256};

use super::idempotency::Marked;
use super::{Repeat, Services, no, not_found, refused, trouble};
use crate::base::{Code, CorrelationId, KeyId, Problem, WorkspaceId};
use crate::domain::access::{Key, Right, Scope as KeyScope};
use crate::domain::event::{Actor, Event};
use crate::store::{Operator, Scope};

/// Proof that somebody may do what right `R` allows, in one workspace.
pub struct Access<R: Right> {
    pub(crate) scope: Scope,
    pub(crate) actor: Actor,
    pub(crate) correlation: CorrelationId,
    pub(crate) repeat: Option<Marked>,
    right: PhantomData<fn() -> R>,
}

impl<R: Right> Access<R> {
    pub fn correlation(&self) -> CorrelationId {
        self.correlation
    }

    pub fn workspace(&self) -> WorkspaceId {
        self.scope.workspace()
    }

    /// Who it is, as events name them.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The request as its caller may repeat it.
    #[must_use]
    pub fn repeatable(mut self, repeat: Option<Repeat>) -> Self {
        self.repeat = repeat.map(|repeat| Marked::new(&self.actor, &repeat));
        self
    }

    /// The same request is one with the same of these, where its body's bytes do not say it.
    #[must_use]
    pub(crate) fn about(mut self, pieces: &[&[u8]]) -> Self {
        if let Some(repeat) = &mut self.repeat {
            repeat.about(pieces);
        }
        self
    }

    /// The same proof, for a second look in the same request.
    pub(crate) fn again(&self) -> Self {
        Self {
            scope: self.scope,
            actor: self.actor.clone(),
            correlation: self.correlation,
            repeat: self.repeat.clone(),
            right: PhantomData,
        }
    }

    pub(crate) fn event(&self, services: &Services, kind: &str, subject: &str) -> Event {
        Event {
            at: services.now(),
            actor: self.actor.clone(),
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            data: BTreeMap::new(),
            correlation: self.correlation,
        }
    }
}

/// A live key, and the workspace it belongs to.
#[derive(Clone)]
pub struct Principal {
    scope: Scope,
    key: Key,
}

impl Principal {
    pub fn workspace(&self) -> WorkspaceId {
        self.scope.workspace()
    }

    /// Which key it is; not a secret.
    pub fn key_id(&self) -> KeyId {
        self.key.id
    }

    pub fn allows(&self, scope: KeyScope) -> bool {
        self.key.allows(scope)
    }
}

/// How a key's secret is stored. It has 256 random bits, so one round of a fast hash is enough.
pub(crate) fn key_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

impl Services {
    /// Whose key this is. Unknown, expired and revoked keys look the same.
    pub fn authenticate(&self, secret: &str) -> Result<Principal, Problem> {
        let hash = key_hash(secret);
        let found = self
            .store
            .read_now(|view| {
                let Some((scope, id)) = Scope::by_key_hash(view, &hash)? else { return Ok(None) };
                Ok(view.get::<Key>(&scope, &id)?.map(|key| Principal { scope, key }))
            })
            .map_err(trouble)?;
        let now = self.now();
        found
            .filter(|principal| principal.key.is_live(now))
            .ok_or_else(|| Problem::new(Code::Unauthenticated))
    }

    /// The key's access to `workspace`. Another's workspace is as good as missing, and the attempt
    /// is an event in the workspace of the key.
    pub async fn access<R: Right>(
        &self,
        principal: &Principal,
        workspace: WorkspaceId,
        correlation: CorrelationId,
    ) -> Result<Access<R>, Problem> {
        let actor = Actor::Key(principal.key.id);
        let access =
            Access { scope: principal.scope, actor, correlation, repeat: None, right: PhantomData };
        if principal.workspace() != workspace {
            let event = access.event(self, "access.cross_tenant", &workspace.to_string());
            let scope = principal.scope;
            self.store
                .write(move |tx| Ok(tx.append_event(&scope, event.clone())?))
                .await
                .map_err(refused)?;
            return Err(not_found());
        }
        if !principal.key.allows(R::NEEDS) {
            return Err(Problem::new(Code::Forbidden).with("scope", R::NEEDS.word()));
        }
        Ok(access)
    }

    /// An operator's access: any workspace, every right, and an event that names the `verb`.
    pub async fn operate<R: Right>(
        &self,
        operator: Operator,
        workspace: WorkspaceId,
        verb: &str,
        correlation: CorrelationId,
    ) -> Result<Access<R>, Problem> {
        let event = Event {
            at: self.now(),
            actor: operator.actor(),
            kind: "operator.entered".to_owned(),
            subject: workspace.to_string(),
            data: BTreeMap::from([("verb".to_owned(), verb.to_owned())]),
            correlation,
        };
        let scope = self
            .store
            .write(move |tx| match operator.enter(tx, workspace, event.clone())? {
                Some(scope) => Ok(scope),
                None => no(not_found()),
            })
            .await
            .map_err(refused)?;
        let actor = operator.actor();
        Ok(Access { scope, actor, correlation, repeat: None, right: PhantomData })
    }
}
