//! A target with everything that is needed to reach it.

use super::signature::Signer;
use reqwest::{Client, Url, header};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegate_model::key::TargetName;
use tidegate_model::target::{Address, Channel, TargetDefinition};

/// How long a request may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Shortest secret, in bytes.
const SECRET_BYTES_MIN: usize = 16;

/// Where something may be sent.
#[derive(Debug, Clone)]
pub struct Target {
    name: TargetName,
    channel: Channel,
    pub(super) url: Url,
    pub(super) client: Client,
    pub(super) signer: Option<Signer>,
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A file that it names cannot be read.
    #[error("target {target}: {file} cannot be read: {source}")]
    File {
        /// Which target.
        target: TargetName,
        /// Which file.
        file: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// Its address is none.
    #[error("target {target}: its address is none ({why}); it looks like https://hooks.example.com/tidegate")]
    Address {
        /// Which target.
        target: TargetName,
        /// What is wrong. Never the address itself, which may be a secret.
        why: String,
    },
    /// Its secret is too short.
    #[error(
        "target {target}: {file} has less than {SECRET_BYTES_MIN} bytes; write 32 random ones, as 'openssl rand -hex 32' makes them"
    )]
    Secret {
        /// Which target.
        target: TargetName,
        /// Which file.
        file: PathBuf,
    },
    /// Its token cannot stand in a header.
    #[error("target {target}: the bearer token holds characters that cannot stand in a header")]
    Bearer {
        /// Which target.
        target: TargetName,
    },
    /// No HTTP client could be made.
    #[error("no http client for target {target}: {source}")]
    Client {
        /// Which target.
        target: TargetName,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

impl Target {
    /// Reads the files that the definition names.
    ///
    /// # Errors
    /// What is wrong with the target.
    pub fn open(definition: TargetDefinition) -> Result<Self, TargetError> {
        let TargetDefinition {
            name,
            channel,
            address,
            secret_file,
            bearer_file,
        } = definition;
        let url = match address {
            Address::Url(url) => url,
            Address::File(file) => read(&name, &file)?,
        };
        let wrong = |why: String| TargetError::Address {
            target: name.clone(),
            why,
        };
        let mut url = Url::parse(&url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("it is no http or https address".to_owned()));
        }
        if channel == Channel::Alertmanager {
            let base = url.path().trim_end_matches('/').to_owned();
            url.set_path(&format!("{base}/api/v2/alerts"));
        }
        let signer = match secret_file {
            None => None,
            Some(file) => {
                let secret = read(&name, &file)?;
                if secret.len() < SECRET_BYTES_MIN {
                    return Err(TargetError::Secret { target: name, file });
                }
                Some(Signer::new(secret.as_bytes()))
            }
        };
        let bearer = bearer_file.map(|file| read(&name, &file)).transpose()?;
        let client = client(&name, bearer.as_deref())?;
        Ok(Self {
            name,
            channel,
            url,
            client,
            signer,
        })
    }

    /// What policies call it.
    #[must_use]
    pub fn name(&self) -> &TargetName {
        &self.name
    }

    /// What is understood there.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel
    }
}

/// The text of a file, without the line end that editors leave.
fn read(target: &TargetName, file: &Path) -> Result<String, TargetError> {
    let text = std::fs::read_to_string(file).map_err(|source| TargetError::File {
        target: target.clone(),
        file: file.to_owned(),
        source,
    })?;
    Ok(text.trim().to_owned())
}

fn client(target: &TargetName, bearer: Option<&str>) -> Result<Client, TargetError> {
    let mut headers = header::HeaderMap::new();
    if let Some(token) = bearer {
        let value = header::HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.map_err(|_not_a_header| TargetError::Bearer {
            target: target.clone(),
        })?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    // Without a choice of cryptography no client can be made. Only a second choice is refused.
    let _first_choice = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .default_headers(headers)
        .timeout(DEADLINE)
        .connect_timeout(CONNECT_DEADLINE)
        // A redirect would carry what is sent to a host that nobody configured (faults.md X5).
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|source| TargetError::Client {
            target: target.clone(),
            source,
        })
}
