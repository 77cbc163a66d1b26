//! `tidegate segment import`.

use super::super::client::Client;
use super::super::failure::Failure;
use super::super::named;
use super::super::screen::Screen;
use clap::{Args, ValueEnum};
use futures_util::Stream;
use futures_util::stream::unfold;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use std::io::{self, Cursor, Read as _};
use std::path::{Path, PathBuf};
use tidegate_model::key::{Revision, SegmentKey};
use tidegate_model::segment::SegmentDefinition;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The largest file that the control plane takes, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// How much of the file is sent at once, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The segment; made if there is none
    #[arg(value_parser = named::<SegmentKey>)]
    key: SegmentKey,
    /// The file, of up to 64 MiB; `-` is standard input
    file: PathBuf,
    /// The column with the units, by its name in the first row; or the field, for ndjson
    #[arg(long)]
    column: Option<String>,
    /// How the file is written; by default what its name ends with says it
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The first row of a CSV file names the columns; it does with --column
    #[arg(long)]
    header: bool,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated values, one unit a row
    Csv,
    /// One JSON text, number or object a line
    Ndjson,
}

#[derive(Debug, Deserialize)]
struct Imported {
    definition: SegmentDefinition,
    revision: Revision,
    import: Counts,
}

#[derive(Debug, Deserialize)]
struct Counts {
    units: u64,
    read: u64,
    duplicates: u64,
}

pub(super) async fn run(client: &Client, screen: Screen, import: Import) -> Result<(), Failure> {
    let format = format(&import)?;
    let media_type = match (format, import.header) {
        (Format::Csv, false) => "text/csv",
        (Format::Csv, true) => "text/csv; header=present",
        (Format::Ndjson, _) => "application/x-ndjson",
    };
    let segment = client.within(&format!("segments/{}", import.key));
    let query = import.column.as_ref().map(|column| {
        let mut query = url::form_urlencoded::Serializer::for_suffix("?".to_owned(), 1);
        query.append_pair("column", column).finish()
    });
    let list = format!("{segment}/list{}", query.unwrap_or_default());
    let seen = client.find(&segment).await?;
    let source = Source::of(import.file).await?;
    let bar = bar(source.bytes);
    let body = async || {
        bar.reset();
        let pieces = pieces(source.open().await?, bar.clone());
        Ok(reqwest::Body::wrap_stream(pieces))
    };
    let answer = client.upload(&list, media_type, seen.as_ref(), body).await;
    bar.finish_and_clear();
    let answer = answer?;
    screen.show(&answer.json()?, || Ok(told(&answer.read()?)))
}

fn told(imported: &Imported) -> String {
    let Imported {
        definition,
        revision,
        import,
    } = imported;
    let digest = definition.list.as_ref().map_or("", |list| list.digest.short());
    format!(
        "{}: {} units (read {}, {} of them again), list {digest}, revision {revision}\n",
        definition.key, import.units, import.read, import.duplicates
    )
}

fn format(import: &Import) -> Result<Format, Failure> {
    let ending = import.file.extension().and_then(|ending| ending.to_str());
    let told = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("csv" | "txt") => Some(Format::Csv),
        Some("ndjson" | "jsonl") => Some(Format::Ndjson),
        _ => None,
    };
    import.format.or(told).ok_or_else(|| {
        Failure::input(
            import.file.display(),
            "its name does not say how it is written".to_owned(),
            "add --format csv or --format ndjson",
        )
    })
}

/// What is imported.
struct Source {
    file: PathBuf,
    /// What came over standard input, which comes once.
    input: Option<bytes::Bytes>,
    /// Its size in bytes.
    bytes: u64,
}

impl Source {
    async fn of(file: PathBuf) -> Result<Self, Failure> {
        if file == Path::new("-") {
            let mut text = Vec::new();
            let mut input = io::stdin().lock().take(FILE_BYTES_MAX + 1);
            input
                .read_to_end(&mut text)
                .map_err(|error| unreadable(&file, &error))?;
            return Ok(Self {
                file,
                bytes: text.len() as u64,
                input: Some(text.into()),
            });
        }
        let about = tokio::fs::metadata(&file).await;
        let bytes = about.map_err(|error| unreadable(&file, &error))?.len();
        Ok(Self {
            file,
            input: None,
            bytes,
        })
    }

    /// From its beginning.
    async fn open(&self) -> Result<Box<dyn AsyncRead + Send + Unpin>, Failure> {
        if let Some(input) = &self.input {
            return Ok(Box::new(Cursor::new(input.clone())));
        }
        let opened = File::open(&self.file).await;
        Ok(Box::new(opened.map_err(|error| unreadable(&self.file, &error))?))
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    Failure::input(
        file.display(),
        format!("cannot be read: {error}"),
        "check the path",
    )
}

/// Hidden where nobody looks: it draws on standard error, and only on a terminal.
fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    match ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The file piece by piece. What is sent moves the bar.
fn pieces(
    source: Box<dyn AsyncRead + Send + Unpin>,
    bar: ProgressBar,
) -> impl Stream<Item = io::Result<Vec<u8>>> + Send {
    unfold((source, bar), |(mut source, bar)| async move {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        match (&mut source)
            .take(PIECE_BYTES as u64)
            .read_to_end(&mut piece)
            .await
        {
            Ok(0) => None,
            Ok(read) => {
                bar.inc(read as u64);
                Some((Ok(piece), (source, bar)))
            }
            Err(error) => Some((Err(error), (source, bar))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_told_by_the_name_or_by_hand() {
        let import = |file: &str, given: Option<Format>| {
            let import = Import {
                key: "beta".parse().unwrap(),
                file: file.into(),
                column: None,
                format: given,
                header: false,
            };
            format(&import).ok()
        };
        for (file, given, expected) in [
            ("a.csv", None, Some(Format::Csv)),
            ("a.CSV", None, Some(Format::Csv)),
            ("a.jsonl", None, Some(Format::Ndjson)),
            ("a.csv", Some(Format::Ndjson), Some(Format::Ndjson)),
            ("-", None, None),
            ("-", Some(Format::Csv), Some(Format::Csv)),
            ("a.parquet", None, None),
        ] {
            assert_eq!(import(file, given), expected, "{file}");
        }
    }
}
