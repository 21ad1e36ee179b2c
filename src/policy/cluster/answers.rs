//! What the API server says of one policy, for ever.

use std::fmt;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::time::{Instant, sleep_until, timeout};

use super::Timing;
use super::backoff::Backoff;
use super::connect::Connect;
use super::trouble::{Trouble, of_watcher};
use crate::api::RateLimitPolicy;

/// What the API server says, or that it says nothing.
#[derive(Debug)]
pub(super) enum Answer {
    /// This is the policy now: a list says so, which is of the newest.
    Listed(Box<DynamicObject>),
    /// This is the policy now: the watch says so.
    Found(Box<DynamicObject>),
    /// There is no such policy now; where it was looked for.
    Absent { namespace: String },
    /// It cannot be asked; the next answer is another attempt's.
    Failed(Trouble),
}

/// What one connection brings.
struct Events {
    stream: BoxStream<'static, watcher::Result<Event<DynamicObject>>>,
    /// Where the policy is looked for.
    namespace: String,
}

/// Asks for one policy and follows it.
pub(super) struct Answers {
    name: String,
    namespace: Option<String>,
    connect: Connect,
    timing: Timing,
    backoff: Backoff,
    /// No attempt before this.
    resume_at: Option<Instant>,
    /// The attempt to connect that is under way: one at most, since a program that it runs cannot be called off.
    connecting: Option<BoxFuture<'static, Result<Client, Trouble>>>,
    events: Option<Events>,
    /// Whether the list under way held the policy.
    listed: bool,
}

impl Answers {
    pub(super) fn new(name: String, namespace: Option<String>, connect: Connect, timing: Timing) -> Self {
        let backoff = Backoff::new(timing.spread, timing.spread_max);
        Self {
            name,
            namespace,
            connect,
            timing,
            backoff,
            resume_at: None,
            connecting: None,
            events: None,
            listed: false,
        }
    }

    /// The next answer. Cancel-safe.
    pub(super) async fn next(&mut self) -> Answer {
        loop {
            if let Some(at) = self.resume_at {
                sleep_until(at).await;
                self.resume_at = None;
            }
            let Some(events) = &mut self.events else {
                match self.client().await {
                    Ok(client) => self.events = Some(self.events(client)),
                    Err(trouble) => return self.failed(trouble),
                }
                continue;
            };
            match events.stream.next().await {
                Some(Ok(event)) => {
                    let namespace = events.namespace.clone();
                    if let Some(answer) = self.heard(event, namespace) {
                        return answer;
                    }
                }
                Some(Err(error)) => match of_watcher(&error) {
                    Some(trouble) => return self.failed(trouble),
                    None => self.start_again(None),
                },
                None => self.start_again(None),
            }
        }
    }

    /// A client, or why there is none yet: an attempt that hangs goes on, but does not go untold.
    async fn client(&mut self) -> Result<Client, Trouble> {
        let silence = self.timing.silence;
        let connecting = self.connecting.get_or_insert_with(|| self.connect.client(silence));
        let Ok(connected) = timeout(silence, connecting).await else {
            return Err(Trouble::hanging(silence));
        };
        self.connecting = None;
        connected
    }

    fn events(&self, client: Client) -> Events {
        let resource = ApiResource::erase::<RateLimitPolicy>(&());
        // Raw objects: one that a newer version wrote is judged by `api::check`, and does not break the watch.
        let namespace = self.namespace.as_deref().unwrap_or_else(|| client.default_namespace()).to_owned();
        let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
        let mut config = watcher::Config::default()
            // The selector is what lets a Role with `resourceNames` allow list and watch.
            .fields(&format!("metadata.name={}", self.name))
            .timeout(fastrand::u32(self.timing.watch_seconds.clone()));
        // The newest, in one page: an API server answers that from memory, and makes sure that it is fresh (KEP-2340,
        // on since Kubernetes 1.31). `resourceVersion=0` would be cheaper on older ones, but a server that lags behind
        // its peers could then bring a policy back that was deleted and made anew.
        config.page_size = None;
        Events { stream: watcher(api, config).boxed(), namespace }
    }

    fn heard(&mut self, event: Event<DynamicObject>, namespace: String) -> Option<Answer> {
        match event {
            Event::Init => {
                self.listed = false;
                None
            }
            Event::InitApply(object) => {
                self.listed = true;
                self.backoff.served();
                Some(Answer::Listed(Box::new(object)))
            }
            Event::InitDone => {
                self.backoff.served();
                (!self.listed).then_some(Answer::Absent { namespace })
            }
            Event::Apply(object) => Some(Answer::Found(Box::new(object))),
            Event::Delete(_) => Some(Answer::Absent { namespace }),
        }
    }

    fn failed(&mut self, trouble: Trouble) -> Answer {
        self.start_again(Some(&trouble));
        Answer::Failed(trouble)
    }

    /// Drops the connection: the next attempt makes its own, and lists first. So nothing that is stuck stays so.
    fn start_again(&mut self, trouble: Option<&Trouble>) {
        let asked = trouble.and_then(|trouble| trouble.retry_after).unwrap_or_default();
        // Jitter on top: those who are all asked to come back after a second must not come back together.
        self.resume_at = Some(Instant::now() + asked + self.backoff.failed());
        self.events = None;
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;
    use crate::policy::cluster::standstill::Standstill;

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_is_told_and_no_other_is_begun_beside_it() {
        let (begun, goes_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let connect = Connect::new({
            let (begun, goes_on) = (begun.clone(), goes_on.clone());
            move |_| {
                begun.fetch_add(1, Ordering::Relaxed);
                let goes_on = goes_on.clone();
                async move {
                    goes_on.notified().await;
                    Err(Trouble { why: Standstill::Unreachable, reason: "no".to_owned(), retry_after: None })
                }
            }
        });
        let mut answers = Answers::new("nvidia".to_owned(), None, connect, Timing::default());
        timeout(Duration::from_secs(5), answers.next()).await.unwrap_err();
        let started = Instant::now();
        for expected in ["connecting has taken 150 s", "connecting has taken 150 s", "no"] {
            if expected == "no" {
                goes_on.notify_one();
            }
            let Answer::Failed(trouble) = answers.next().await else { panic!("there is no server") };
            assert!(trouble.reason.starts_with(expected), "{trouble:?}");
            assert_eq!(begun.load(Ordering::Relaxed), 1);
        }
        assert!(Instant::now() - started < Duration::from_secs(600));
        timeout(Duration::from_secs(60), answers.next()).await.unwrap_err();
        assert_eq!(begun.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_are_all_asked_to_come_back_after_a_time_do_not_come_back_together() {
        let asked = Duration::from_secs(100);
        let waits = (0..20).map(|_| {
            let connect = Connect::new(|_| std::future::pending());
            let mut answers = Answers::new("nvidia".to_owned(), None, connect, Timing::default());
            answers.backoff.served();
            let trouble = Trouble { retry_after: Some(asked), ..Trouble::hanging(asked) };
            answers.failed(trouble);
            answers.resume_at.unwrap().duration_since(Instant::now())
        });
        let (min, max) =
            waits.fold((Duration::MAX, asked), |(min, max), wait| (min.min(wait), max.max(wait)));
        assert!(min >= asked && max <= asked + Duration::from_secs(12), "{min:?} to {max:?}");
        assert!(max > min + Duration::from_secs(1), "{min:?} to {max:?}");
    }
}
