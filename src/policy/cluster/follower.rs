//! What an answer of the API server means for the settings in force.

use std::time::Duration;

use kube::api::DynamicObject;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::Named;
use super::answers::{Answer, Answers};
use super::standstill::{Standstill, Told};
use super::trouble::Trouble;
use crate::api::{self, API_VERSION, KIND};
use crate::metrics::{PolicySource, PolicyState};
use crate::policy::cache::Cache;
use crate::policy::error::{Error, Problem};
use crate::policy::publish::{Policy, Publisher};

/// Which writing of which object: a newer one of the same object has a higher generation.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    uid: Option<String>,
    generation: Option<i64>,
}

impl Version {
    fn of(object: &DynamicObject) -> Self {
        Self { uid: object.metadata.uid.clone(), generation: object.metadata.generation }
    }

    /// Whether `other` is the same object as it was then or is now. Says nothing across objects: a policy that was
    /// deleted and made again starts over.
    fn covers(&self, other: &Self) -> bool {
        self.uid == other.uid && self.generation >= other.generation
    }
}

/// The newest writing that was judged.
#[derive(Debug)]
struct Seen {
    version: Version,
    /// Why it was refused, if it was.
    refused: Option<String>,
}

/// Puts in force what the API server says.
#[derive(Debug)]
pub(super) struct Follower {
    named: Named,
    publisher: Publisher,
    cache: Option<Cache>,
    /// What the cache held at the start, until something is decided.
    cached: Option<(Version, Policy)>,
    /// The newest writing that was judged, good or bad.
    seen: Option<Seen>,
    told: Told,
}

impl Follower {
    pub(super) fn new(named: Named, publisher: Publisher, cache: Option<Cache>) -> Self {
        Self { named, publisher, cache, cached: None, seen: None, told: Told::default() }
    }

    /// Follows the answers for ever. The first is waited for `answer_within` at most.
    pub(super) async fn follow(mut self, mut answers: Answers, answer_within: Duration) {
        let deadline = Instant::now() + answer_within;
        self.cached = self.load().await;
        let mut last_trouble = None;
        while self.is_undecided() {
            match timeout_at(deadline, answers.next()).await {
                // It may be there in a moment: the pod's network often comes after its containers.
                Ok(Answer::Failed(trouble)) if trouble.why == Standstill::Unreachable => {
                    self.publisher.count_failure();
                    last_trouble = Some(trouble.reason);
                }
                Ok(answer) => self.judge(answer),
                Err(_) => {
                    let silence = || format!("no answer within {} s", answer_within.as_secs());
                    let reason = last_trouble.take().unwrap_or_else(silence);
                    self.stand_still(Standstill::Unreachable, reason);
                }
            }
        }
        loop {
            let answer = answers.next().await;
            self.judge(answer);
        }
    }

    fn is_undecided(&self) -> bool {
        self.publisher.state() == PolicyState::Starting
    }

    fn judge(&mut self, answer: Answer) {
        match answer {
            // Even a lower generation: a cluster that was restored from a backup is as it is now.
            Answer::Listed(object) => self.found(*object, |seen, listed| seen == listed),
            Answer::Found(object) => self.found(*object, Version::covers),
            Answer::Absent { namespace } => {
                let name = &self.named.name;
                self.absent(format!("there is no {KIND} {name:?} in the namespace {namespace:?}"));
            }
            Answer::Failed(Trouble { why, reason, .. }) => {
                self.publisher.count_failure();
                match why {
                    Standstill::NotFound | Standstill::Deleted => self.absent(reason),
                    Standstill::Forbidden | Standstill::Unreachable => self.stand_still(why, reason),
                }
            }
        }
    }

    /// Takes an object, unless the newest one that was judged `covers` it.
    fn found(&mut self, object: DynamicObject, covers: impl Fn(&Version, &Version) -> bool) {
        let version = Version::of(&object);
        if self.seen.as_ref().is_some_and(|seen| covers(&seen.version, &version)) {
            return self.unchanged();
        }
        let refused = self.try_out(&essence(object));
        self.seen = Some(Seen { version, refused });
    }

    /// Puts an object in force if it is a good one; else says why not.
    fn try_out(&mut self, object: &Value) -> Option<String> {
        match read(PolicySource::Cluster, object.clone()) {
            Ok(policy) => {
                self.put_in_force(policy);
                if let Some(cache) = &self.cache {
                    cache.store(object);
                }
                None
            }
            Err(error) => {
                if self.is_undecided() {
                    self.fall_back(PolicyState::Invalid, None);
                }
                self.publisher.reject(&error);
                Some(error.one_line())
            }
        }
    }

    fn put_in_force(&mut self, policy: Policy) {
        self.told.clear();
        if self.is_undecided() {
            let first = self.publisher.begin(policy, PolicyState::Synced, None);
            self.publisher.announce(&first);
        } else {
            self.publisher.accept(policy);
        }
    }

    /// The object is known already.
    fn unchanged(&mut self) {
        let refused = self.seen.as_ref().and_then(|seen| seen.refused.as_deref());
        if self.publisher.confirm(PolicySource::Cluster, refused) && self.told.recovered() {
            info!(policy = self.named.name, "the policy is followed again: nothing has changed meanwhile");
        }
    }

    fn absent(&mut self, reason: String) {
        let was_known = self.seen.is_some() || self.cached.is_some();
        let why = if was_known { Standstill::Deleted } else { Standstill::NotFound };
        self.stand_still(why, reason);
    }

    /// Nothing newer can be had: what is in force stays.
    fn stand_still(&mut self, why: Standstill, reason: String) {
        let state = why.state();
        if self.is_undecided() {
            self.fall_back(state, Some(reason.clone()));
        }
        if self.told.is_due(why) {
            let (policy, source) = (&self.named.name, self.publisher.source());
            warn!(
                policy,
                source,
                state = state.as_str(),
                reason,
                "{}: the settings in force stay",
                why.words()
            );
        }
        self.publisher.fail(state, Some(reason));
    }

    /// Before the first good answer the cache decides, and without one the environment does.
    fn fall_back(&mut self, state: PolicyState, reason: Option<String>) {
        match self.cached.take() {
            Some((version, policy)) => {
                self.seen = Some(Seen { version, refused: None });
                let first = self.publisher.begin(policy, state, reason);
                self.publisher.announce(&first);
            }
            None => self.publisher.announce_bootstrap(),
        }
    }

    /// The policy in the cache, if it is the one that is followed.
    async fn load(&self) -> Option<(Version, Policy)> {
        let cached = match self.cache.as_ref()?.load().await {
            Ok(cached) => cached?,
            Err(error) => {
                warn!(reason = error.one_line(), "the cached policy is not used");
                return None;
            }
        };
        let Named { name, namespace, .. } = &self.named;
        let metadata = &cached.metadata;
        if metadata.name.as_ref() != Some(name)
            || namespace.is_some() && metadata.namespace.as_ref() != namespace.as_ref()
        {
            warn!(cached = metadata.name, policy = name, "the cached policy is another one: it is not used");
            return None;
        }
        let version = Version::of(&cached);
        match read(PolicySource::Cache, essence(cached)) {
            Ok(policy) => Some((version, policy)),
            Err(error) => {
                warn!(reason = error.one_line(), "the cached policy is not used");
                None
            }
        }
    }
}

/// Checks an object as the API server should have.
fn read(source: PolicySource, object: Value) -> Result<Policy, Error> {
    let metadata = |field: &str| object.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
    let origin =
        format!("{}/{}", metadata("namespace").unwrap_or_default(), metadata("name").unwrap_or_default());
    let checked = api::check(object);
    match checked.policy {
        Ok(policy) => Ok(Policy::new(source, policy, checked.unknown)),
        Err(faults) => Err(Error::new(origin, Problem::Faults(faults))),
    }
}

/// What a policy consists of, without the server's book-keeping.
fn essence(object: DynamicObject) -> Value {
    let DynamicObject { types, metadata, data } = object;
    let mut fields = if let Value::Object(fields) = data { fields } else { Map::new() };
    let (api_version, kind) = types
        .map_or_else(|| (API_VERSION.to_owned(), KIND.to_owned()), |types| (types.api_version, types.kind));
    fields.insert("apiVersion".into(), api_version.into());
    fields.insert("kind".into(), kind.into());
    fields.insert(
        "metadata".into(),
        json!({
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "generation": metadata.generation,
        }),
    );
    Value::Object(fields)
}
