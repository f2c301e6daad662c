//! How many files the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, as other servers do at their start. The usual
/// 1024 is kept low for programs that use `select`, and would be used up by
/// `MAX_CONNECTIONS` alone: then no one, Prometheus neither, is accepted.
pub(crate) fn allow_all() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // With fewer it works as well, up to there.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
