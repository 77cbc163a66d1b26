//! Drills over HTTP.

use crate::http::access::{Allowed, OperateAccess};
use crate::http::body::JsonText;
use crate::http::problem::Problem;
use actix_web::web::Json;
use tidegate_actors::control::DrillView;

/// Measures how long the way from a bad number to safety takes, with no effect on any user.
///
/// Something that no flag has is opened; once the nodes serve it, a bad number is put in where measurements
/// come in. It is judged, decided, stored and published as a real one is, and the answer comes when every live
/// node has confirmed. Audited as a drill.
#[utoipa::path(
    post, path = "/api/v1/{environment}/drills", operation_id = "drill", tag = "environments",
    request_body(content = Object, description = "Nothing: `{}`."),
    responses(
        (status = 200, description = "How it went.", body = DrillView),
        (status = 409, description = "Not every live node confirmed in time."),
    ),
)]
pub(super) async fn run(allowed: Allowed<OperateAccess>, body: JsonText) -> Result<Json<DrillView>, Problem> {
    body.nothing()?;
    let drilled = allowed.control().drill(allowed.environment(), allowed.author());
    Ok(Json(drilled.await?))
}
