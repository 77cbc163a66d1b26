//! Where in a document something stands.

use std::fmt;

/// A step on the way into a document, and the steps before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    before: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Field(&'p str),
    Item(usize),
}

impl<'p> Place<'p> {
    /// A field of the document.
    pub(super) fn of(field: &'p str) -> Self {
        Self {
            before: None,
            step: Step::Field(field),
        }
    }

    /// A field of what stands here.
    pub(super) fn field<'q>(&'q self, name: &'q str) -> Place<'q> {
        Place {
            before: Some(self),
            step: Step::Field(name),
        }
    }

    /// An item of the list that stands here.
    pub(super) fn item(&self, place: usize) -> Place<'_> {
        Place {
            before: Some(self),
            step: Step::Item(place),
        }
    }
}

/// As a JSON pointer.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = self.before {
            before.fmt(f)?;
        }
        match self.step {
            Step::Field(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")),
            Step::Item(place) => write!(f, "/{place}"),
        }
    }
}
