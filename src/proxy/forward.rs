//! The path of one request: read, match, rank, wait, send, relay.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::Answer;
use super::attempts::{self, Call};
use super::base::UpstreamBase;
use super::body::{self, BodyError, Budget, Buffered};
use super::deadline::{Came, deadline};
use super::error::{BodyLimits, Failure, Refusal};
use super::exchange::{Closing, Exchange, millis};
use super::headers::{self, Pace, Pause};
use super::key::Key;
use super::model_gates::ModelGates;
use super::relay::relay;
use super::stamp::Outgoing;
use super::upstream::{Outbound, Patience, SendError, Upstream, Url};
use super::{hop_by_hop, matching, model};
use crate::limiter::settings::{Mode, Settings};
use crate::limiter::{Priority, Snapshot};
use crate::metrics::Metrics;
use crate::scheduler::{Permit, Refused, Scheduler, Wanted};

/// How much of an unknown priority is quoted back.
const LONGEST_WORD: usize = 32;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) base: UpstreamBase,
    pub(super) upstream: Upstream,
    pub(super) key: Arc<Key>,
    pub(super) limits: BodyLimits,
    pub(super) budget: Arc<Budget>,
    pub(super) scheduler: Scheduler,
    pub(super) settings: watch::Receiver<Arc<Settings>>,
    pub(super) model_gates: ModelGates,
    pub(super) closing: Closing,
    pub(super) metrics: Arc<Metrics>,
}

/// An answer to relay, and what of the contract is added to its headers.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) should_retry: Option<bool>,
    /// Added where the upstream's answer names none.
    pub(super) pause: Option<Pause>,
}

/// Answers one request. The exchange it opens is settled by what it returns, or by being dropped.
pub(super) async fn forward(shared: Arc<Shared>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let head_only = head.method == Method::HEAD;
    let mut exchange = shared.begin(&head);
    match answer(&shared, head, body, &mut exchange).await {
        Ok(answered) => shared.relay(answered, exchange, head_only),
        Err(failure) => {
            let pace = shared.pace(&exchange);
            failure.respond(&shared.metrics, pace, Some(exchange))
        }
    }
}

/// The steps of one request, in order.
async fn answer(
    shared: &Shared,
    head: Parts,
    body: Body,
    exchange: &mut Exchange,
) -> Result<Answered, Failure> {
    let url = shared.base.target(&head.uri).map_err(|reason| {
        exchange.is_unpaced();
        Failure::from(reason)
    })?;
    if hop_by_hop::wants_upgrade(&head.headers) {
        return Err(Failure::Upgrade);
    }
    if !matching::paces_method(&shared.settings().matching, &head.method) {
        exchange.is_unpaced();
        return Box::pin(shared.pass(head, url, Outgoing::streamed(body), exchange)).await;
    }
    let body = shared.collect(body, &head.headers).await?;
    exchange.received(body.bytes().len());
    let came = Came { arrived: exchange.arrived(), whole: Instant::now() };

    let settings = shared.settings();
    let model = model::peek(body.bytes()).map(Cow::into_owned);
    exchange.names_model(model.as_deref());
    if !matching::paces_model(&settings.matching, model.as_deref()) {
        exchange.is_unpaced();
        let body = Outgoing::buffered(body, Box::new(|| ()));
        return Box::pin(shared.pass(head, url, body, exchange)).await;
    }

    let priority = wanted_priority(&head.headers, settings.queue.default_priority)?;
    let deadline = deadline(came, settings.queue.lane(priority).max_wait, &head.headers);
    let deadline = exchange.patience(&settings).until.map_or(deadline, |until| until.min(deadline));

    let wanted = Wanted { priority, arrived: came.whole, deadline };
    let (method, headers) = outbound_head(head);
    let call = Call { method, url, headers, body, model, deadline };
    exchange.queues(priority);
    attempts::await_workers(shared, &call, &settings, exchange).await?;
    let permit = shared.turn(wanted, &settings, exchange).await?;
    // Boxed as `pass` is: those who wait, who may be thousands, have no room reserved for what comes after.
    Box::pin(attempts::run(shared, &call, permit, exchange)).await
}

/// The priority a request names, else `default`; naming nothing is naming none.
fn wanted_priority(headers: &HeaderMap, default: Priority) -> Result<Priority, Failure> {
    let values = headers.get_all(headers::PRIORITY_WANTED).iter().map(HeaderValue::as_bytes);
    let mut words = values.map(<[u8]>::trim_ascii).filter(|word| !word.is_empty());
    let Some(word) = words.next() else { return Ok(default) };
    if words.next().is_some() {
        return Err(Failure::TwoPriorities);
    }
    let word = String::from_utf8_lossy(word);
    word.parse().map_err(|_| Failure::UnknownPriority(word.chars().take(LONGEST_WORD).collect()))
}

/// The request's headers without those of its connection, and without what is addressed to us.
fn outbound_headers(mut headers: HeaderMap) -> HeaderMap {
    hop_by_hop::strip(&mut headers);
    headers::strip_ours(&mut headers);
    for name in [header::HOST, header::CONTENT_LENGTH, header::EXPECT, headers::PRIORITY_WANTED] {
        headers.remove(name);
    }
    headers
}

/// What of a request's head is sent. Nothing else of it is kept while the request waits.
fn outbound_head(head: Parts) -> (Method, HeaderMap) {
    (head.method, headers::unshared(&outbound_headers(head.headers)))
}

impl Shared {
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// Opens the account of a request. Until its body is read it counts as paced if its method is.
    fn begin(&self, head: &Parts) -> Exchange {
        let settings = self.settings();
        let default = settings.queue.default_priority;
        let paced = matching::paces_method(&settings.matching, &head.method)
            .then(|| wanted_priority(&head.headers, default).unwrap_or(default));
        Exchange::begin(Arc::clone(&self.metrics), self.closing.clone(), &head.headers, paced)
    }

    /// Waits for the first turn of a request.
    async fn turn(
        &self,
        wanted: Wanted,
        settings: &Settings,
        exchange: &mut Exchange,
    ) -> Result<Permit, Failure> {
        self.tell_gate(exchange);
        let permit = exchange.waits_for(self.scheduler.acquire(wanted)).await;
        let permit = permit.map_err(|refused| self.refusal(refused, settings))?;
        if permit.is_passthrough() {
            exchange.passes_through();
        }
        if settings.mode == Mode::Observe {
            exchange.would_have_waited(permit.would_have_waited());
        }
        Ok(permit)
    }

    /// No permit, and what held it back.
    pub(super) fn refusal(&self, refused: Refused, settings: &Settings) -> Failure {
        let snapshot = self.scheduler.snapshot();
        let (gate, Snapshot { base_rpm, effective_rpm, .. }) = (snapshot.paused(), snapshot);
        let retreated_to = (effective_rpm < base_rpm).then_some(effective_rpm);
        Failure::Refused(Box::new(Refusal { refused, rate: settings.rate, gate, retreated_to }))
    }

    /// Tells whoever debugs that it is the upstream this request is about to wait for.
    pub(super) fn tell_gate(&self, exchange: &Exchange) {
        if !tracing::enabled!(target: "pacer::proxy", tracing::Level::DEBUG) {
            return;
        }
        let gate = self.scheduler.snapshot().paused();
        if !gate.is_zero() {
            let (trace_id, gate_ms) = (exchange.trace_id(), millis(gate));
            tracing::debug!(target: "pacer::proxy", trace_id, gate_ms, "the upstream asked for a pause");
        }
    }

    async fn collect(&self, mut body: Body, headers: &HeaderMap) -> Result<Buffered, Failure> {
        let collected = body::collect(&mut body, self.limits.each, &self.budget).await;
        if let Err(BodyError::TooLarge | BodyError::BudgetSpent) = collected
            && !headers.contains_key(header::EXPECT)
        {
            // A client that asked first has sent nothing yet, and reading on would invite it to.
            body::discard(&mut body).await;
        }
        collected.map_err(|error| Failure::Body(error, self.limits))
    }

    /// Sends a request that is not paced, once.
    async fn pass(
        &self,
        head: Parts,
        url: Url,
        body: Outgoing,
        exchange: &mut Exchange,
    ) -> Result<Answered, Failure> {
        exchange.uploads(body.progress());
        exchange.attempts();
        let outbound = Outbound { method: head.method, url, headers: outbound_headers(head.headers), body };
        match self.send(outbound, exchange.patience(&self.settings()), exchange.trace_id()).await {
            Ok(answer) => Ok(Answered { answer, should_retry: None, pause: None }),
            Err(error) => Err(Failure::Send { error, retried: false }),
        }
    }

    /// Sends one request with the key in force, and measures.
    pub(super) async fn send(
        &self,
        mut outbound: Outbound,
        patience: Patience,
        trace_id: &str,
    ) -> Result<Answer, SendError> {
        if let Some(authorization) = self.key.authorization() {
            outbound.headers.insert(header::AUTHORIZATION, authorization);
        }
        let began = Instant::now();
        let sent = self.upstream.send(outbound, patience).await;
        let upstream = &self.metrics.upstream;
        match sent {
            Ok(response) => {
                upstream.latency.observe((Instant::now() - began).as_secs_f64());
                if response.status().as_u16() >= 400 {
                    upstream.error(response.status().as_str()).inc();
                }
                Ok(Answer::new(response))
            }
            Err(error) => {
                if let Some(label) = error.label() {
                    upstream.error(label).inc();
                    tracing::warn!(target: "pacer::proxy", trace_id, %error, "the upstream gave no answer");
                }
                Err(error)
            }
        }
    }

    /// What the application is told about the pace, once its request has been ranked.
    fn pace(&self, exchange: &Exchange) -> Option<Pace> {
        let (priority, waited) = exchange.place()?;
        Some(Pace { priority, waited, budget: self.scheduler.budget() })
    }

    fn relay(&self, answered: Answered, exchange: Exchange, head_only: bool) -> Response<Body> {
        let Answered { mut answer, should_retry, pause } = answered;
        if let Some(pace) = self.pace(&exchange) {
            pace.write(&mut answer.headers);
        }
        if exchange.is_passthrough() {
            answer.headers.insert(headers::REASON, HeaderValue::from_static("passthrough"));
        }
        if let Some(should_retry) = should_retry {
            headers::write_should_retry(&mut answer.headers, should_retry);
        }
        if let Some(pause) = pause {
            pause.write_if_unsaid(&mut answer.headers);
        }
        let patience = exchange.patience(&self.settings());
        relay(answer, patience, exchange, head_only)
    }
}
