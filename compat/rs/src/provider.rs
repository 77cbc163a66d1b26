//! The providers, pointed at the Tidegate that the environment names.

use open_feature::EvaluationContext;
use open_feature::provider::FeatureProvider as _;
use open_feature_flagd::{FlagdOptions, FlagdProvider, ResolverType};
use open_feature_ofrep::{OfrepOptions, OfrepProvider};
use reqwest::header::{AUTHORIZATION, HeaderMap};

pub fn setting(name: &str, usual: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| usual.to_owned())
}

pub fn url() -> String {
    setting("TIDEGATE_URL", "http://127.0.0.1:7430")
}

/// Asks for every evaluation, by OFREP.
pub async fn ofrep() -> OfrepProvider {
    let mut headers = HeaderMap::new();
    if let Ok(token) = std::env::var("TIDEGATE_TOKEN") {
        let bearer = format!("Bearer {token}")
            .parse()
            .expect("a token is a header's value");
        headers.insert(AUTHORIZATION, bearer);
    }
    let options = OfrepOptions {
        base_url: url(),
        headers,
        ..OfrepOptions::default()
    };
    OfrepProvider::new(options).await.expect("a provider")
}

/// flagd's provider: it asks for every evaluation (`rpc`), or evaluates by itself what it synchronises
/// (`in-process`).
pub async fn flagd(resolver: &str) -> FlagdProvider {
    let (resolver_type, address) = match resolver {
        "rpc" => (
            ResolverType::Rpc,
            setting("TIDEGATE_FLAGD_EVALUATION", "127.0.0.1:8013"),
        ),
        "in-process" => (
            ResolverType::InProcess,
            setting("TIDEGATE_FLAGD_SYNC", "127.0.0.1:8015"),
        ),
        other => panic!("there is no resolver {other}: say ofrep, rpc or in-process"),
    };
    let (host, port) = address.rsplit_once(':').expect("an address is host:port");
    let options = FlagdOptions {
        host: host.to_owned(),
        port: port.parse().expect("a port is a number"),
        resolver_type,
        selector: std::env::var("TIDEGATE_FLAGD_SELECTOR").ok(),
        deadline_ms: 10_000,
        retry_backoff_ms: 50,
        retry_backoff_max_ms: 200,
        // Every answer is to be the server's own.
        cache_settings: None,
        ..FlagdOptions::default()
    };
    let mut provider = FlagdProvider::new(options).await.expect("a provider");
    provider.initialize(&EvaluationContext::default()).await;
    provider
}
