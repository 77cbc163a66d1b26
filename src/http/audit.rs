//! The journal, which is the audit log, over HTTP.

use crate::http::access::{Allowed, ReadAccess};
use crate::http::path::Query;
use crate::http::problem::Problem;
use actix_web::web::Json;
use serde::Serialize;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::change::{Change, EntityRef, Entry, Record};
use tidegate_model::invalid::Violation;
use tidegate_model::key::Revision;
use tidegate_model::request::RequestKey;

/// How many records a page has when the caller does not say.
const PAGE_RECORDS: usize = 100;
/// The most that a page may have.
const PAGE_RECORDS_MAX: usize = 1000;

/// Some records of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditPage {
    /// Oldest first.
    items: Vec<AuditRecord>,
    /// What to send as `after` for the next page; left out when this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Changes that became true together.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditRecord {
    /// Its place in the journal, from 1. Records of other environments leave gaps.
    sequence: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who.
    by: Author,
    /// Why, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    /// What the caller's `Idempotency-Key` was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    request: Option<RequestKey>,
    /// What. Never empty.
    entries: Vec<AuditEntry>,
}

/// The change of one thing.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    /// Which thing.
    entity: EntityRef,
    /// Its revision after the change.
    revision: Revision,
    /// What became true, as it stands in the journal.
    #[schema(value_type = Object)]
    change: Change,
}

impl From<Record> for AuditRecord {
    fn from(record: Record) -> Self {
        Self {
            sequence: record.sequence,
            at: record.at,
            by: record.by,
            because: record.because.map(|because| because.to_string()),
            request: record.request.map(|request| request.key),
            entries: record.entries.into_iter().map(AuditEntry::from).collect(),
        }
    }
}

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        Self {
            entity: entry.entity,
            revision: entry.revision,
            change: entry.change,
        }
    }
}

impl AuditPage {
    /// A page of these, after which `looked_at` is the last record that was looked at.
    fn of(records: Vec<Record>, looked_at: u64, limit: usize) -> Self {
        Self {
            next: (records.len() >= limit).then_some(looked_at),
            items: records.into_iter().map(AuditRecord::from).collect(),
        }
    }
}

/// Everything that became true in an environment: what, when, by whom and why; oldest first.
#[utoipa::path(
    get, path = "/api/v1/{environment}/audit", operation_id = "readAudit", tag = "audit",
    params(
        ("after" = Option<u64>, Query, description = "Only records with a higher sequence; `next` of the page before."),
        ("limit" = Option<usize>, Query, description = "How many records at most, 1 to 1000; 100 by default."),
    ),
    responses((status = 200, description = "A page of records.", body = AuditPage)),
)]
pub(super) async fn page(allowed: Allowed<ReadAccess>, query: Query) -> Result<Json<AuditPage>, Problem> {
    let query = query.only(&["after", "limit"])?;
    let after = query
        .get("after", "a sequence is a whole number", "1042")?
        .unwrap_or(0);
    let limit = limit(&query)?;
    let (records, looked_at) = allowed
        .control()
        .records(Some(allowed.environment()), after, limit)
        .await?;
    Ok(Json(AuditPage::of(records, looked_at, limit)))
}

fn limit(query: &Query) -> Result<usize, Problem> {
    let rule = "a limit is a whole number, 1 to 1000";
    let limit = query.get("limit", rule, "100")?.unwrap_or(PAGE_RECORDS);
    if (1..=PAGE_RECORDS_MAX).contains(&limit) {
        return Ok(limit);
    }
    let fix = "take several pages: 'next' of one is 'after' of the following";
    Err(Problem::malformed_request(Violation::new(
        "limit", limit, rule, fix,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::FromRequest;
    use actix_web::test::TestRequest;

    fn record(sequence: u64) -> Record {
        Record {
            basis: None,
            sequence,
            at: Timestamp::default(),
            by: Author::Tidegate,
            because: None,
            request: None,
            entries: Vec::new(),
        }
    }

    #[test]
    fn only_a_full_page_has_a_next_one() {
        assert_eq!(AuditPage::of(vec![], 12, 2).next, None);
        assert_eq!(AuditPage::of(vec![record(7)], 12, 2).next, None);
        assert_eq!(AuditPage::of(vec![record(7), record(9)], 12, 2).next, Some(12));
    }

    #[actix_web::test]
    async fn pages_are_bounded() {
        for (uri, expected) in [
            ("/", Some(100)),
            ("/?limit=1", Some(1)),
            ("/?limit=1000", Some(1000)),
            ("/?limit=0", None),
            ("/?limit=1001", None),
            ("/?limit=all", None),
        ] {
            let query = Query::extract(&TestRequest::with_uri(uri).to_http_request())
                .await
                .unwrap();
            assert_eq!(limit(&query).ok(), expected, "{uri}");
        }
    }
}
