//! Signals and processes, as far as the operating system has them.

use std::io;

/// A signal that ends a program, or asks it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What `kill`, systemd and containers send.
    Terminate,
    /// The terminal is gone.
    Hangup,
}

#[cfg(unix)]
mod system {
    use rustix::process as unix;
    use tokio::signal::unix::{SignalKind, signal};

    use super::{Signal, io};

    /// Hears signals from now on, so that they no longer end this process.
    pub(in super::super) struct Signals {
        interrupt: tokio::signal::unix::Signal,
        terminate: tokio::signal::unix::Signal,
        hangup: Option<tokio::signal::unix::Signal>,
    }

    impl Signals {
        /// Ctrl-C and SIGTERM; a hangup ends the process as before, so that `nohup`
        /// does what it promises.
        pub(in super::super) fn ending() -> io::Result<Self> {
            let interrupt = signal(SignalKind::interrupt())?;
            Ok(Self { interrupt, terminate: signal(SignalKind::terminate())?, hangup: None })
        }

        /// The same and the hangup.
        pub(in super::super) fn all() -> io::Result<Self> {
            Ok(Self { hangup: Some(signal(SignalKind::hangup())?), ..Self::ending()? })
        }

        pub(in super::super) async fn next(&mut self) -> Signal {
            let hangup = async {
                match &mut self.hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.interrupt.recv() => Signal::Interrupt,
                _ = self.terminate.recv() => Signal::Terminate,
                _ = hangup => Signal::Hangup,
            }
        }
    }

    fn pid_of(process: u32) -> io::Result<unix::Pid> {
        let pid = i32::try_from(process).ok().and_then(unix::Pid::from_raw);
        pid.ok_or_else(|| io::Error::other(format!("{process} is not a process id")))
    }

    /// Sends a process a signal.
    pub(in super::super) fn send(process: u32, signal: Signal) -> io::Result<()> {
        let signal = match signal {
            Signal::Interrupt => unix::Signal::INT,
            Signal::Terminate => unix::Signal::TERM,
            Signal::Hangup => unix::Signal::HUP,
        };
        Ok(unix::kill_process(pid_of(process)?, signal)?)
    }

    /// Whether there is a process of that id.
    pub(in super::super) fn is_running(process: u32) -> bool {
        match pid_of(process).and_then(|pid| Ok(unix::test_kill_process(pid)?)) {
            Ok(()) => true,
            // Of another user: there, but not ours.
            Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
        }
    }

    /// Leaves the terminal: its Ctrl-C and its end are nothing to this process.
    pub(in super::super) fn leave_terminal() -> io::Result<()> {
        unix::setsid()?;
        Ok(())
    }

    /// The exit code that shells give a process: 128 and more where a signal ended
    /// it.
    pub(in super::super) fn code_of(status: std::process::ExitStatus) -> i32 {
        use std::os::unix::process::ExitStatusExt as _;
        status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1)
    }
}

#[cfg(not(unix))]
mod system {
    use super::{Signal, io};

    pub(in super::super) struct Signals;

    impl Signals {
        pub(in super::super) fn ending() -> io::Result<Self> {
            Ok(Self)
        }

        pub(in super::super) fn all() -> io::Result<Self> {
            Ok(Self)
        }

        pub(in super::super) async fn next(&mut self) -> Signal {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Signal::Interrupt,
                Err(_) => std::future::pending().await,
            }
        }
    }

    fn unsupported<T>() -> io::Result<T> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "not supported on this operating system"))
    }

    pub(in super::super) fn send(_: u32, _: Signal) -> io::Result<()> {
        unsupported()
    }

    pub(in super::super) fn is_running(_: u32) -> bool {
        true
    }

    pub(in super::super) fn leave_terminal() -> io::Result<()> {
        unsupported()
    }

    pub(in super::super) fn code_of(status: std::process::ExitStatus) -> i32 {
        status.code().unwrap_or(1)
    }
}

pub(super) use system::{Signals, code_of, is_running, leave_terminal, send};
