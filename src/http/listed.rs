//! Lists: always an object, so that something can be added beside the items.

use serde::Serialize;

/// All of something.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct Listed<T> {
    /// The items, in the order that the route says.
    items: Vec<T>,
}

impl<T> Listed<T> {
    /// These, as they are shown.
    pub(crate) fn of<S: Into<T>>(items: impl IntoIterator<Item = S>) -> Self {
        Self {
            items: items.into_iter().map(Into::into).collect(),
        }
    }
}
