//! Targets: where a control plane may send something. Its operator names them; policies only say their
//! names, so no policy can make it call an address of its choice.

use crate::key::TargetName;
use std::path::PathBuf;

/// What is understood at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Slack's incoming webhooks, and what copies them.
    Slack,
    /// Notices and questions as JSON, signed.
    Webhook,
    /// Alertmanager's API, version 2.
    Alertmanager,
}

/// Where something may be sent, as the operator wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetDefinition {
    /// What policies call it.
    pub name: TargetName,
    /// What is understood there.
    pub channel: Channel,
    /// Its address.
    pub address: Address,
    /// A file with the secret that what is sent is signed with.
    pub secret_file: Option<PathBuf>,
    /// A file with a bearer token.
    pub bearer_file: Option<PathBuf>,
}

/// An address, or where it stands. Slack's addresses are secrets themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// This.
    Url(String),
    /// The content of this file.
    File(PathBuf),
}
