//! Pure decisions: who may leave, when, and who must be told no.
//!
//! Everything takes `now` and returns values; nothing here waits, reads a clock,
//! locks or logs. `scheduler` is the shell that does.

pub mod outcome;
pub mod priority;
pub mod settings;
pub mod snapshot;

pub use outcome::{Outcome, RefusedBecause};
pub use priority::{Priority, UnknownPriority};
pub use settings::Settings;
pub use snapshot::{Budget, Snapshot};
