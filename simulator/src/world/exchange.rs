//! One attempt: out over the wire, an answer back, and what becomes of the request.

use super::agenda::Event;
use super::watch::{Happened, Watch};
use super::{Stage, World};
use crate::history::End;
use crate::sidecar::{Fate, RequestId, Sidecar};
use crate::upstream::{Answer, Status};

impl<S: Sidecar, W: Watch<S>> World<'_, S, W> {
    pub(super) fn send(&mut self, id: RequestId) {
        let now = self.now;
        let request = self.request(id);
        (request.stage, request.sent) = (Stage::Out, now);
        self.history.sent.push(now);
        self.told(Happened::Sent(id));
        let arrives = now + self.wire.there();
        self.agenda.at(arrives, Event::Arrives(id));
    }

    pub(super) fn arrives(&mut self, id: RequestId) {
        self.history.arrived.push(self.now);
        let answer = self.upstream.handle(self.now);
        if answer.status == Status::Accepted {
            self.history.accepted.push(self.now);
        }
        self.told(Happened::Arrived(id, answer));
        let takes = self.wire.answer(answer.status);
        self.agenda.at(self.now + takes, Event::Answered(id, answer));
    }

    pub(super) fn answered(&mut self, id: RequestId, answer: Answer) {
        if answer.status == Status::RateLimited {
            self.history.refused.push(self.now);
        }
        let fate = self.sidecar.answered(id, &answer, self.now);
        self.told(Happened::Answered(id, answer));
        match fate {
            Fate::Relayed => {
                self.end(id, relayed(answer.status));
                self.pump();
            }
            Fate::Again(pause) => {
                self.request(id).stage = Stage::Pausing;
                if pause.is_zero() {
                    self.readmit(id);
                } else {
                    self.agenda.at(self.now + pause, Event::Readmit(id));
                }
                self.pump();
            }
        }
    }
}

fn relayed(status: Status) -> End {
    match status {
        Status::Accepted => End::Served,
        Status::RateLimited => End::RateLimited,
        Status::Unavailable => End::Unavailable,
    }
}
