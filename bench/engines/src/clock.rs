//! How much processor time this thread has used: what others do on the machine does not count.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of processor time of this thread.
pub fn thread_nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
