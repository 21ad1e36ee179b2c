//! Looking on: what a test or a trace is told while a world runs.

use std::time::Duration;

use crate::history::End;
use crate::sidecar::RequestId;
use crate::upstream::Answer;

use pacer::limiter::Priority;

/// Something that has just happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A request came and waits.
    Came(RequestId, Priority),
    /// An attempt left.
    Sent(RequestId),
    /// An attempt arrived at the upstream and will be answered so.
    Arrived(RequestId, Answer),
    /// The sidecar was told an answer.
    Answered(RequestId, Answer),
    /// A request waits again, at the head of its class.
    Returned(RequestId),
    /// A request is done.
    Ended(RequestId, End),
    /// A tenant's request was accepted, or was not.
    TenantAsked {
        /// Whether it was.
        accepted: bool,
    },
    /// The sidecar's process has restarted.
    Restarted,
    /// The sidecar is about to be asked, as it wanted to be at this time.
    Woke,
    /// Time has passed: see [`Watch::tick`].
    Tick,
}

/// Somebody who looks on.
pub trait Watch<S> {
    /// Called after everything that happens, in order, with the sidecar as that has left it. Looking
    /// at the sidecar must not change what it does.
    fn after(&mut self, happened: &Happened, sidecar: &mut S, now: Duration);

    /// How often to be told of [`Happened::Tick`] beside.
    fn tick(&self) -> Option<Duration> {
        None
    }
}

/// Nobody looks on.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl<S> Watch<S> for Unwatched {
    fn after(&mut self, _: &Happened, _: &mut S, _: Duration) {}
}

impl<S, W: Watch<S>> Watch<S> for &mut W {
    fn after(&mut self, happened: &Happened, sidecar: &mut S, now: Duration) {
        (**self).after(happened, sidecar, now);
    }

    fn tick(&self) -> Option<Duration> {
        (**self).tick()
    }
}
