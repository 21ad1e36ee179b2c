//! File descriptors: how many connections the process can hold.
//!
//! A process out of descriptors accepts nobody, the kubelet's probes included, and is killed
//! for it. So the application's connections stop short of the limit: those beyond wait in
//! the listener's backlog until others end.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections that are kept for probes, scrapers and people.
pub const RESERVED_CONNECTIONS: usize = 128;

/// Kept for those, and for files and the runtime itself.
const RESERVED: usize = RESERVED_CONNECTIONS + 64;

/// What is assumed where the system names no limit: the kernel's own ceiling for one process.
const UNLIMITED: u64 = 1 << 20;

/// Raises the process's soft limit to the hard one, and returns how many connections of the
/// application that is enough for: each may need a second one, to the upstream.
pub fn raise_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: maximum, maximum };
    let limit = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            current
        }
    };
    connections(limit)
}

fn connections(limit: Option<u64>) -> usize {
    let limit = limit.unwrap_or(UNLIMITED).min(UNLIMITED);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    (limit.saturating_sub(RESERVED) / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stop_short_of_the_limit_and_never_at_zero() {
        assert_eq!(connections(Some(1024)), 416);
        assert_eq!(connections(Some(0)), 1);
        assert_eq!(connections(None), connections(Some(UNLIMITED)));
        assert_eq!(connections(Some(u64::MAX)), connections(None));
    }
}
