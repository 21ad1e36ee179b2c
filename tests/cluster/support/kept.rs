//! Processes that end with the test process, whatever ends it.
//!
//! Statics are never dropped, and a killed process drops nothing at all. So each process is started by a small shell
//! that holds a pipe from this one: see `keep.sh`.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::program::until;

/// Where `sh` and what the tests run beside it are found.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A process that is killed when this is dropped, or when the test process ends without dropping it.
#[derive(Debug)]
pub(crate) struct Kept {
    keeper: Child,
    pid: Pid,
}

impl Kept {
    /// A command whose first argument is the program to keep. It knows nothing of this process's environment.
    ///
    /// `folder` goes when the process is killed by its keeper. Several may share one: the last to end removes it.
    pub(crate) fn command(folder: Option<&Path>) -> Command {
        let folder = folder.map_or(OsStr::new(""), Path::as_os_str);
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("keep.sh"), "keep"]).arg(folder);
        command.env_clear().env("PATH", PATH);
        command
    }

    /// Starts a command made by [`Kept::command`]; what the program prints, on either stream, goes to `output`.
    pub(crate) fn spawn(mut command: Command, output: impl Into<Stdio>) -> Self {
        use std::os::unix::process::CommandExt;
        // In a group of its own, Ctrl-C reaches the test process alone, and the keeper does its work.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output);
        let mut keeper = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        Self { keeper, pid: pid.unwrap_or_else(|| panic!("no process id: {line:?}")) }
    }

    /// What the program prints, if it was started with [`Stdio::piped`].
    pub(crate) fn output(&mut self) -> ChildStderr {
        self.keeper.stderr.take().unwrap()
    }

    /// The program's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// How the program has ended, if it has. One that died of a signal has the code 128 plus the signal's number.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.keeper.try_wait().unwrap()
    }

    /// Sends a signal to the program. One that has ended gets none.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).ok();
    }

    /// Kills the program and leaves the folder as it is.
    pub(crate) fn kill(mut self) {
        if self.ended().is_none() {
            self.signal(Signal::KILL);
            self.wait();
        }
    }

    /// Waits for the program to end by itself or by a signal.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the process ends", || {
            status = self.ended();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Kept {
    /// Closes the pipe and waits for the keeper, which outlives the program.
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().ok();
    }
}
