//! JSON text, written straight into the body of an answer.

use serde::Serialize;

/// Text that goes into a body as it is.
pub(crate) trait Json {
    /// Appends text that is JSON already, or needs no escapes.
    fn raw(&mut self, text: &str) -> &mut Self;

    /// Appends a value.
    fn value(&mut self, value: &(impl Serialize + ?Sized)) -> &mut Self;
}

impl Json for Vec<u8> {
    fn raw(&mut self, text: &str) -> &mut Self {
        self.extend_from_slice(text.as_bytes());
        self
    }

    fn value(&mut self, value: &(impl Serialize + ?Sized)) -> &mut Self {
        let start = self.len();
        if serde_json::to_writer(&mut *self, value).is_err() {
            // Texts and plain values can always be written. Should one not be, the text stays JSON.
            self.truncate(start);
            self.raw("null");
        }
        self
    }
}
