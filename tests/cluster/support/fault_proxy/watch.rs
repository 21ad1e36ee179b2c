//! The body of a watch: the API server's lines, and what the test puts between them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use tokio::sync::{broadcast, mpsc};

use super::super::background::spawn_here;
use super::control::{Control, Injection};
use super::relay::Body;

/// Enough for a line to reach a socket of loopback.
const FLUSH: Duration = Duration::from_millis(50);

type Piece = io::Result<Frame<Bytes>>;

/// Passes a watch on, line by line, so that something can be put between the lines.
pub(super) fn pass(control: Arc<Control>, body: Incoming) -> Body {
    let (out, mut pieces) = mpsc::channel(1);
    // Subscribed here, so that the watch counts as open once its head has been answered.
    let injections = control.injections.subscribe();
    let watch = Watch { body, rest: BytesMut::new(), injections, out };
    spawn_here(watch.run(control));
    StreamBody::new(stream::poll_fn(move |context| pieces.poll_recv(context))).boxed()
}

struct Watch {
    body: Incoming,
    /// The beginning of a line whose end has not come.
    rest: BytesMut,
    injections: broadcast::Receiver<Injection>,
    out: mpsc::Sender<Piece>,
}

impl Watch {
    /// Runs until one side or the test ends it.
    async fn run(mut self, control: Arc<Control>) {
        let out = self.out.clone();
        tokio::select! {
            () = self.pass(&control) => {}
            () = out.closed() => {}
        }
    }

    async fn pass(&mut self, control: &Control) {
        loop {
            let next = self.next().await;
            control.responsive().await;
            match next {
                Injection::Line(text) => self.say(text).await,
                Injection::ThenEnd(text) => return self.say(text).await,
                Injection::ThenBreak(text) => {
                    self.say(text).await;
                    // What is not flushed when the error comes would be lost with the connection.
                    tokio::time::sleep(FLUSH).await;
                    self.out.send(Err(io::ErrorKind::ConnectionAborted.into())).await.ok();
                    return;
                }
            }
        }
    }

    /// What comes next, from the test or from the API server: whole lines, or a part because nothing follows.
    async fn next(&mut self) -> Injection {
        tokio::select! {
            Ok(injection) = self.injections.recv() => injection,
            frame = self.body.frame() => match frame {
                None => Injection::ThenEnd(self.rest.split().freeze()),
                Some(Err(_)) => Injection::ThenBreak(self.rest.split().freeze()),
                Some(Ok(frame)) => {
                    self.rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
                    let end = self.rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
                    Injection::Line(self.rest.split_to(end).freeze())
                }
            },
        }
    }

    async fn say(&self, text: Bytes) {
        if !text.is_empty() {
            self.out.send(Ok(Frame::data(text))).await.ok();
        }
    }
}
