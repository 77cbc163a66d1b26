use crate::site::Site;
use reqwest::Response;
use serde_json::Value;

/// One event.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

/// An open stream.
pub(crate) struct Listener {
    response: Response,
    text: String,
    /// Whether there was news at once.
    pub(crate) greeting_has_notice: bool,
}

impl Listener {
    /// Opens a stream and waits for the server's first word.
    pub(crate) async fn open(site: &Site, address: &str, last_event_id: Option<&str>) -> Self {
        let mut request = site.client.get(format!("{}{address}", site.url));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let mut response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{address}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let first = response.chunk().await.unwrap().unwrap();
        let text = String::from_utf8(first.to_vec()).unwrap();
        assert!(text.starts_with("retry: "), "{text}");
        Self {
            response,
            greeting_has_notice: text.contains("data:"),
            text,
        }
    }

    /// The status with which a stream is opened or refused.
    pub(crate) async fn status(site: &Site, address: &str) -> u16 {
        let response = site.client.get(format!("{}{address}", site.url)).send().await;
        response.unwrap().status().as_u16()
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Notice {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = block.lines();
                    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    values.next().map(str::to_owned)
                };
                let notice = field("data").map(|data| Notice {
                    event: field("event").unwrap(),
                    id: field("id").unwrap(),
                    data: serde_json::from_str(&data).unwrap(),
                });
                self.text = rest.to_owned();
                if let Some(notice) = notice {
                    return notice;
                }
                continue;
            }
            let more = self.more().await.unwrap();
            self.text.push_str(&more);
        }
    }

    /// What comes next, whatever it is; `None` when the server ended the stream.
    pub(crate) async fn more(&mut self) -> Option<String> {
        let chunk = self.response.chunk().await.unwrap()?;
        Some(String::from_utf8(chunk.to_vec()).unwrap())
    }
}
