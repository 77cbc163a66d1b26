//! Who may do what: roles, permissions, tokens.

use crate::Timestamp;
use crate::key::{EnvironmentKey, TokenName};
use crate::request::Through;
use crate::snapshot::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See flags, segments, policies, rollouts, nodes, audit.
    Read,
    /// Change flags, segments and policies.
    Edit,
    /// Start, pause, resume, abort and roll back rollouts.
    Operate,
    /// Approve stages.
    Approve,
    /// Create and revoke tokens.
    Administer,
    /// Pull snapshots, report what is served, hand in event tallies.
    Serve,
    /// Evaluate the flags that clients may see, and send metric events.
    Evaluate,
    /// Evaluate every flag, and ask why it answers what it does.
    EvaluateAll,
    /// Hand in alerts.
    Alert,
}

/// A bundle of permissions.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything, changes nothing.
    Viewer,
    /// Viewer, and changes flags, segments, policies.
    Editor,
    /// Viewer, and approves stages.
    Approver,
    /// Viewer, and runs rollouts.
    Operator,
    /// Everything.
    Admin,
    /// An Alertmanager: hands in alerts, sees nothing.
    Alertmanager,
    /// An evaluation node.
    Node,
    /// An application on a server of your own: evaluates every flag, and may ask why.
    Server,
    /// An application in the hands of others, such as a web page: gets values, and only of the flags
    /// that are visible to clients.
    Client,
}

impl Role {
    /// All roles, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Viewer,
        Self::Editor,
        Self::Approver,
        Self::Operator,
        Self::Admin,
        Self::Alertmanager,
        Self::Node,
        Self::Server,
        Self::Client,
    ];

    /// Whether the role includes the permission.
    pub fn allows(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Viewer => permission == P::Read,
            Self::Editor => matches!(permission, P::Read | P::Edit),
            Self::Approver => matches!(permission, P::Read | P::Approve),
            Self::Operator => matches!(permission, P::Read | P::Operate),
            Self::Admin => true,
            Self::Alertmanager => permission == P::Alert,
            Self::Node => matches!(permission, P::Serve | P::Evaluate | P::EvaluateAll),
            Self::Server => matches!(permission, P::Evaluate | P::EvaluateAll),
            Self::Client => permission == P::Evaluate,
        }
    }

    /// The role's name in the API and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Approver => "approver",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Alertmanager => "alertmanager",
            Self::Node => "node",
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| format!("{text:?} is not a role; known: {}", names.join(", ")))
    }
}

/// An access token as the control plane keeps it: the secret's digest, never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Names it to people.
    pub name: TokenName,
    /// What it may do.
    pub role: Role,
    /// Where; `None` is everywhere.
    pub environment: Option<EnvironmentKey>,
    /// SHA-256 of the secret, which has 256 random bits: nothing slower is needed.
    pub secret_digest: Digest,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops working by itself.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

impl Token {
    /// Whether it works at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}

/// Who does something: stands in the audit log with every change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The holder of a token.
    Token {
        /// Its name.
        name: TokenName,
        /// Its role.
        role: Role,
        /// The request that it acts through.
        #[serde(skip)]
        through: Through,
    },
    /// Tidegate itself, following a policy.
    Tidegate,
    /// A file in the policy folder.
    PolicyFile {
        /// The file's name inside the folder.
        file: String,
    },
}

impl Author {
    /// The holder of this token.
    pub fn token(name: TokenName, role: Role) -> Self {
        Self::Token {
            name,
            role,
            through: Through::default(),
        }
    }

    /// Whether both are the same person: a token that was made anew with another role is still theirs.
    pub fn is_same_person(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token { name, .. }, Self::Token { name: other, .. }) => name == other,
            _ => false,
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { name, role, .. } => write!(f, "{name} ({role})"),
            Self::Tidegate => f.write_str("tidegate"),
            Self::PolicyFile { file } => write!(f, "policy file {file}"),
        }
    }
}
