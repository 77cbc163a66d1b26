//! The newest word of a stream only.

use super::{News, Tiding, UpstreamError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Reads a stream all the time and remembers the newest word. While a version is put in force others may be
/// published, and a connection can hold hundreds of words that nobody has read yet: following each of them
/// in turn would leave the node ever further behind.
pub(crate) struct Latest {
    heard: Arc<Heard>,
    /// Reads; ends with this.
    _reader: JoinSet<()>,
}

#[derive(Default)]
struct Heard {
    newest: Mutex<Newest>,
    something: Notify,
}

#[derive(Default)]
struct Newest {
    tiding: Option<Tiding>,
    end: Option<Result<(), UpstreamError>>,
}

impl Latest {
    pub(crate) fn of(mut news: Box<dyn News>) -> Self {
        let heard = Arc::new(Heard::default());
        let mut reader = JoinSet::new();
        let here = Arc::clone(&heard);
        reader.spawn(async move {
            let end = loop {
                match news.next().await {
                    Ok(Some(tiding)) => here.note(|newest| newest.add(tiding)),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            here.note(|newest| newest.end = Some(end));
        });
        Self {
            heard,
            _reader: reader,
        }
    }

    /// As [`News::next`], with everything left out that was overtaken meanwhile.
    pub(crate) async fn next(&mut self) -> Result<Option<Tiding>, UpstreamError> {
        loop {
            let something = self.heard.something.notified();
            {
                let mut newest = self.heard.newest();
                if let Some(tiding) = newest.tiding.take() {
                    return Ok(Some(tiding));
                }
                if let Some(end) = newest.end.take() {
                    return end.map(|()| None);
                }
            }
            something.await;
        }
    }
}

impl Heard {
    fn note(&self, change: impl FnOnce(&mut Newest)) {
        change(&mut self.newest());
        self.something.notify_one();
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newest {
    fn add(&mut self, tiding: Tiding) {
        self.tiding = Some(match self.tiding.take() {
            // A sign of life.
            Some(before) if before.version == tiding.version => before,
            // It starts from a version that was left out.
            Some(_overtaken) => Tiding {
                delta: None,
                ..tiding
            },
            None => tiding,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use bytes::Bytes;
    use tidegate_model::snapshot::Version;
    use tokio::sync::mpsc;

    struct Told(mpsc::UnboundedReceiver<Result<Tiding, UpstreamError>>);

    #[async_trait]
    impl News for Told {
        async fn next(&mut self) -> Result<Option<Tiding>, UpstreamError> {
            self.0.recv().await.transpose()
        }
    }

    fn tiding(number: u64, delta: Option<&'static str>) -> Tiding {
        Tiding {
            version: Some(Version { epoch: 1, number }),
            delta: delta.map(|text| Bytes::from_static(text.as_bytes())),
        }
    }

    /// Lets the reader read what there is.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn only_the_newest_word_is_told_and_then_the_end() {
        let (tell, told) = mpsc::unbounded_channel();
        let mut latest = Latest::of(Box::new(Told(told)));
        tell.send(Ok(tiding(1, Some("from 0")))).unwrap();
        assert_eq!(latest.next().await.unwrap(), Some(tiding(1, Some("from 0"))));
        tell.send(Ok(tiding(2, Some("from 1")))).unwrap();
        tell.send(Ok(tiding(2, None))).unwrap();
        settle().await;
        assert_eq!(latest.next().await.unwrap(), Some(tiding(2, Some("from 1"))));
        for number in 3..=9 {
            tell.send(Ok(tiding(number, Some("from the one before"))))
                .unwrap();
        }
        tell.send(Err(UpstreamError::Away("gone".into()))).unwrap();
        settle().await;
        assert_eq!(latest.next().await.unwrap(), Some(tiding(9, None)));
        assert_eq!(latest.next().await.unwrap_err().cause(), "away");
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let (tell, told) = mpsc::unbounded_channel();
        let mut latest = Latest::of(Box::new(Told(told)));
        let later = async {
            settle().await;
            tell.send(Ok(tiding(1, None))).unwrap();
            settle().await;
            drop(tell);
        };
        let hearing = async {
            assert_eq!(latest.next().await.unwrap(), Some(tiding(1, None)));
            assert_eq!(latest.next().await.unwrap(), None);
        };
        tokio::join!(hearing, later);
    }
}
