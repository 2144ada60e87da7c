//! Exit codes of the program.

use std::process::ExitCode;

use wasmote_fleet::signals::INTERRUPTED;

/// Outcome of the program. Scripts depend on the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command has finished. This includes a run without `--duration` that a signal has ended, because it has no other
    /// end.
    Done,
    /// The command has failed, or what it ran.
    Failed,
    /// The command line, the environment or a file is invalid.
    Usage,
    /// The command has finished, and a threshold of the experiment was missed.
    ThresholdMissed,
    /// A signal ended the run before its `--duration`, or a second signal ended it at once.
    Interrupted,
}

impl Exit {
    /// Name for readers of JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::ThresholdMissed => "threshold_missed",
            Self::Interrupted => "interrupted",
        }
    }

    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::ThresholdMissed => 99,
            Self::Interrupted => INTERRUPTED,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
