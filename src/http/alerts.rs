//! Alerts over HTTP: an Alertmanager hands them in as its webhook does, people look at them.

use crate::http::access::{AlertAccess, Allowed, ReadAccess};
use crate::http::body::JsonText;
use crate::http::listed::Listed;
use crate::http::problem::Problem;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_actors::alerts::{AlertView, Delivered};
use tidegate_decide::alert::Said;
use tidegate_model::alert::Alert;
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::Fingerprint;

/// The version of the webhook's body that is read.
const VERSION: &str = "4";
/// The annotations that may say what an alert means, the best first.
const SUMMARIES: [&str; 3] = ["summary", "description", "message"];
/// Longest summary that is kept, in characters.
const SUMMARY_CHARS_MAX: usize = 500;
/// Longest address that is kept, in bytes.
const SOURCE_BYTES_MAX: usize = 2000;

/// What an Alertmanager sends, version 4. What newer ones add is passed over.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook {
    /// `4`.
    version: String,
    /// How many alerts were cut off by `max_alerts`.
    #[serde(default)]
    truncated_alerts: u64,
    /// The alerts of the group.
    alerts: Vec<WebhookAlert>,
}

/// One alert in a [`Webhook`].
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookAlert {
    status: WebhookStatus,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    starts_at: DateTime<Utc>,
    /// Means something only once it is resolved.
    ends_at: DateTime<Utc>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
    fingerprint: Fingerprint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WebhookStatus {
    Firing,
    Resolved,
}

impl WebhookAlert {
    fn said(self) -> Said {
        let ended = (self.status == WebhookStatus::Resolved).then_some(self.ends_at);
        let summary = SUMMARIES.iter().find_map(|name| self.annotations.get(*name));
        let summary = summary.map_or("", String::as_str).trim();
        let source = self.generator_url.as_str();
        let is_address = source.starts_with("http://") || source.starts_with("https://");
        let source = if is_address && source.len() <= SOURCE_BYTES_MAX {
            source
        } else {
            ""
        };
        Said {
            ended,
            alert: Alert {
                fingerprint: self.fingerprint,
                starts: self.starts_at,
                summary: summary.chars().take(SUMMARY_CHARS_MAX).collect(),
                source: source.to_owned(),
                labels: self.labels,
            },
        }
    }
}

/// Takes in alerts as an Alertmanager's webhook sends them (payload version 4).
///
/// Answered once it is stored. What was said before, and what comes late, changes nothing, so it may be
/// sent again as often as one likes.
#[utoipa::path(
    post, path = "/api/v1/{environment}/alerts", operation_id = "deliverAlerts", tag = "alerts",
    request_body = Webhook,
    responses(
        (status = 200, description = "Stored, and told to the rollouts that it concerns.", body = Delivered),
        (status = 409, description = "Too many alerts are known already."),
        (status = 422, description = "The body is of another version."),
    ),
)]
pub(super) async fn deliver(
    allowed: Allowed<AlertAccess>,
    body: JsonText,
) -> Result<Json<Delivered>, Problem> {
    let webhook: Webhook = body.read()?;
    if webhook.version != VERSION {
        let violation = Violation::new(
            "version",
            &webhook.version,
            "the webhook's body is of version 4",
            "send it from an Alertmanager of 0.19 or newer",
        );
        return Err(Problem::invalid(Invalid::from(violation).into_violations()));
    }
    let environment = allowed.environment();
    if webhook.truncated_alerts > 0 {
        tracing::warn!(%environment, alerts = webhook.truncated_alerts,
            "alerts were cut off by the Alertmanager; take max_alerts out of its webhook_configs");
        let control = allowed.control();
        control.count_cut_off(environment, webhook.truncated_alerts)?;
    }
    let said = webhook.alerts.into_iter().map(WebhookAlert::said).collect();
    let delivered = allowed.control().hear_alerts(environment, said, allowed.author());
    Ok(Json(delivered.await?))
}

/// All alerts that are known, those that fire first, with the running rollouts that each concerns.
///
/// An alert that is over is remembered for a day.
#[utoipa::path(
    get, path = "/api/v1/{environment}/alerts", operation_id = "listAlerts", tag = "alerts",
    responses((status = 200, description = "The alerts.", body = Listed<AlertView>)),
)]
pub(super) async fn list(allowed: Allowed<ReadAccess>) -> Result<Json<Listed<AlertView>>, Problem> {
    let alerts = allowed.control().alerts(allowed.environment())?;
    Ok(Json(Listed::of(alerts)))
}
