//! What stands between the clients and the wire: Pacer's limiter, or a peer.

mod pacer;

use std::fmt;
use std::time::Duration;

pub use pacer::Pacer;

use ::pacer::limiter::Priority;

use crate::upstream::Answer;

/// A client's request; a later one has a larger number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub usize);

/// Why a request does not even wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// As many wait as may.
    Full,
    /// The sidecar refuses it for the upstream's sake: a 429 of its own.
    Locally,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This one is sent.
    Send(RequestId),
    /// This one waits no more and is told that it waited too long.
    GiveUp(RequestId),
    /// Nothing until then, or until something happens.
    Sleep(Option<Duration>),
}

/// What becomes of a request that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its client gets the answer.
    Relayed,
    /// It is to be readmitted after a pause.
    Again(Duration),
}

/// What a sidecar looks like; what a law does not know is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gauges {
    /// Requests a minute allowed now.
    pub effective_rpm: Option<f64>,
    /// Requests its own window holds.
    pub window_used: Option<u64>,
    /// How long nothing may leave.
    pub gate: Option<Duration>,
    /// How many wait.
    pub waiting: usize,
}

/// What stands between the clients and the wire. Everything takes `now`, the time since the run
/// began, which never runs backwards.
pub trait Sidecar: fmt::Debug {
    /// A new request. Unless it is turned away it waits until [`Sidecar::poll`] says more.
    fn admit(&mut self, request: RequestId, priority: Priority, now: Duration) -> Result<(), TurnedAway>;

    /// A request comes back after the pause that [`Fate::Again`] asked for.
    fn readmit(&mut self, request: RequestId, now: Duration) -> Result<(), TurnedAway>;

    /// The client of a request that waits or pauses has left.
    fn leave(&mut self, request: RequestId, now: Duration);

    /// The next thing to do; to be asked until it says [`Next::Sleep`].
    fn poll(&mut self, now: Duration) -> Next;

    /// The attempt that was sent last for this request is answered.
    fn answered(&mut self, request: RequestId, answer: &Answer, now: Duration) -> Fate;

    /// The process dies and starts again, and the waiting requests come again, in order. Returns
    /// those that are turned away.
    fn restart(&mut self, now: Duration) -> Vec<RequestId>;

    /// What it looks like.
    fn gauges(&mut self, now: Duration) -> Gauges;
}

impl<S: Sidecar + ?Sized> Sidecar for Box<S> {
    fn admit(&mut self, request: RequestId, priority: Priority, now: Duration) -> Result<(), TurnedAway> {
        (**self).admit(request, priority, now)
    }

    fn readmit(&mut self, request: RequestId, now: Duration) -> Result<(), TurnedAway> {
        (**self).readmit(request, now)
    }

    fn leave(&mut self, request: RequestId, now: Duration) {
        (**self).leave(request, now);
    }

    fn poll(&mut self, now: Duration) -> Next {
        (**self).poll(now)
    }

    fn answered(&mut self, request: RequestId, answer: &Answer, now: Duration) -> Fate {
        (**self).answered(request, answer, now)
    }

    fn restart(&mut self, now: Duration) -> Vec<RequestId> {
        (**self).restart(now)
    }

    fn gauges(&mut self, now: Duration) -> Gauges {
        (**self).gauges(now)
    }
}
