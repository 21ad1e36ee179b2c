//! Pacer's limiter in virtual time, in closed loop with upstreams that hide their quota.
//!
//! The limiter is the real one, not a model of it; around it everything is simulated:
//!
//! - [`scenario`]: what a run is made of, read from a line of JSON;
//! - [`upstream`]: how the other end counts, refuses and fails;
//! - [`sidecar`]: what stands between, Pacer or one of the peers it is compared with;
//! - [`world`]: clients, tenants, the wire and the one loop over all events;
//! - [`figures`]: what came of it.
//!
//! A run is a function of scenario, sidecar and seed: no clock, no environment, no threads inside.

pub mod batch;
pub mod figures;
pub mod history;
pub mod law;
mod peers;
pub mod population;
pub mod report;
pub mod rng;
pub mod scenario;
pub mod sidecar;
pub mod time;
pub mod trace;
pub mod upstream;
mod wire;
pub mod world;

pub use figures::Figures;
pub use law::Law;
pub use scenario::Scenario;
pub use sidecar::{Pacer, Sidecar};
pub use world::{World, simulate};
