//! Which rules to look at now, and when to look again.
