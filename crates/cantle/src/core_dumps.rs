//! No core dump of this process: its memory may hold private keys in clear.
//!
//! The limit of 0 stops core files. On Linux the process is not dumpable either, which also holds where the system pipes
//! core dumps to a program and looks at no limit, and keeps other processes of the same user from attaching to it. Not
//! against the superuser, nor against swap and hibernation.
//! Source: <https://man7.org/linux/man-pages/man5/core.5.html>, <https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html>.

/// Switches them off. What the system refuses is a warning: a node without it works.
pub(crate) fn forbid() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
            tracing::warn!("core dumps could not be switched off: {error}");
        }
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!("core dumps could not be switched off: {error}");
        }
    }
}
