//! The states of the pace, and why it goes from one to another.

/// How the pace stands to what the settings allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaceState {
    /// The pace is what the settings allow.
    #[default]
    Normal,
    /// The upstream refuses, or the pace was cut and has not risen since.
    Retreat,
    /// Nothing has been refused for a moment: the pace rises, or waits for its next step.
    Recover,
}

/// Why the pace changed its state, or what an episode of refusals was found to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Refusals came often, or in a row.
    Refused,
    /// Episodes agree on how many the upstream grants in a window.
    Limit,
    /// Episodes agree on how many it grants in a shorter time.
    ShortLimit,
    /// A step above a known limit was refused.
    Probe,
    /// Too many left at once.
    Burst,
    /// Too many refusals that no limit explains: somebody else may use the quota.
    Unexplained,
    /// A refusal that does not mean anything yet.
    Passing,
    /// A learned limit refused far below itself: it was none.
    Doubt,
    /// Nothing has been refused for a moment.
    Served,
    /// Nothing has been refused or asked for a minute.
    Quiet,
    /// The pace has reached what the settings allow.
    Restored,
    /// The settings changed.
    Settings,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Refused,
        Self::Limit,
        Self::ShortLimit,
        Self::Probe,
        Self::Burst,
        Self::Unexplained,
        Self::Passing,
        Self::Doubt,
        Self::Served,
        Self::Quiet,
        Self::Restored,
        Self::Settings,
    ];

    /// Its name in metrics, logs and `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Limit => "limit",
            Self::ShortLimit => "short_limit",
            Self::Probe => "probe",
            Self::Burst => "burst",
            Self::Unexplained => "unexplained",
            Self::Passing => "passing",
            Self::Doubt => "doubt",
            Self::Served => "served",
            Self::Quiet => "quiet",
            Self::Restored => "restored",
            Self::Settings => "settings",
        }
    }
}

impl PaceState {
    /// Its name in logs and `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Retreat => "retreat",
            Self::Recover => "recover",
        }
    }
}

/// The pace went from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: PaceState,
    /// The state now.
    pub to: PaceState,
    /// Why.
    pub cause: Cause,
    /// Requests a minute before.
    pub from_rpm: u32,
    /// Requests a minute now.
    pub to_rpm: u32,
}
