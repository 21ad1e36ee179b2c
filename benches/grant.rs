//! What a grant costs with few and many waiting: it must stay flat.

use std::time::{Duration, Instant};

use divan::{Bencher, black_box};
use pacer::limiter::{Admission, Decision, Grant, Limiter, Outcome, Priority, Settings};

fn main() {
    divan::main();
}

const WAITING: [usize; 3] = [10, 1_000, 100_000];

/// Time that runs by itself: every look is a token later.
struct Bench {
    limiter: Limiter<u64>,
    now: Instant,
    pace: Duration,
    serial: u64,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn new(waiting: usize) -> Self {
        let mut settings = Settings::default();
        settings.rate.requests_per_minute = 60_000;
        settings.rate.capacity = 60_000;
        settings.rate.minimum_gap = Duration::ZERO;
        settings.queue.max_depth = 200_000;
        let now = Instant::now();
        let mut bench = Self {
            limiter: Limiter::new(&settings, 1, now),
            now,
            pace: Duration::from_nanos(60_500_000_000 / 60_000 + 1),
            serial: 0,
        };
        for _ in 0..waiting {
            bench.arrive();
        }
        bench
    }

    /// A request whose deadline is as good as random: four lanes, waits of an hour and more.
    fn arrive(&mut self) -> Option<pacer::limiter::Key> {
        self.serial += 1;
        let priority = Priority::ALL.into_iter().nth((self.serial % 4) as usize).unwrap_or(Priority::Normal);
        let deadline = self.now + Duration::from_secs(100_000 + self.serial * 7_919 % 10_000);
        match self.limiter.admit(self.serial, priority, deadline, self.now) {
            Admission::Queued(key) => Some(key),
            Admission::Granted(_) | Admission::Refused(_) => None,
        }
    }

    fn grant(&mut self) -> Grant {
        self.now += self.pace;
        loop {
            match self.limiter.poll(self.now) {
                Decision::Grant(_, grant) => return grant,
                Decision::Refuse(..) => {}
                Decision::Sleep(next) => {
                    self.now = next.map_or(self.now + self.pace, |next| next.max(self.now));
                }
            }
        }
    }

    fn send(&mut self) {
        let grant = self.grant();
        self.limiter.depart(grant, self.now);
        self.limiter.settle(grant, Outcome::Accepted, self.now);
    }
}

/// One request comes, one leaves: acquire, grant, departure and settlement together.
#[divan::bench(args = WAITING, sample_count = 200, sample_size = 500)]
fn acquire_and_grant(bencher: Bencher<'_, '_>, waiting: usize) {
    let mut bench = Bench::new(waiting);
    bencher.bench_local(|| {
        bench.arrive();
        bench.send();
    });
}

/// One request comes and gives up.
#[divan::bench(args = WAITING, sample_count = 200, sample_size = 500)]
fn acquire_and_cancel(bencher: Bencher<'_, '_>, waiting: usize) {
    let mut bench = Bench::new(waiting);
    bencher.bench_local(|| {
        let key = bench.arrive().expect("the queue is not full");
        black_box(bench.limiter.cancel(key, bench.now));
    });
}
