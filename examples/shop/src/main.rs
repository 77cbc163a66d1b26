//! A small shop that uses Tidegate the way any service can.
//!
//! Read [`tidegate`] first: everything a service says to Tidegate is there. Then `pages`, where
//! two features ask for their variation and count what became of it, and `shoppers`, who keep the
//! shop busy.

mod pages;
mod shoppers;
mod tidegate;

use crate::pages::{Rates, Shop};
use crate::shoppers::Crowd;
use crate::tidegate::{Connection, Tidegate};
use actix_web::{App, HttpServer, web};
use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use url::Url;

/// The exit code of sysexits.h for a service that cannot be offered, here: the port is in use.
const UNAVAILABLE: u8 = 69;

#[derive(Parser)]
#[command(
    about = "A small shop that asks Tidegate which feature its customers see",
    after_help = "Example:\n  tidegate-shop --ofrep http://127.0.0.1:7430 --token-file data/client-token --shoppers 300"
)]
struct Arguments {
    /// Where to listen; port 0 takes any free one. The address is printed as one JSON line
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The Tidegate node that is asked and told
    #[arg(long, default_value = "http://127.0.0.1:7430")]
    ofrep: Url,
    /// File with the token to show to the node [default: the variable TIDEGATE_TOKEN]
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// How long to wait for the node before everybody gets `off`, in milliseconds
    #[arg(long, default_value_t = 250)]
    patience: u64,
    /// Requests per second that generated shoppers make; 0 for none
    #[arg(long, default_value_t = 300)]
    shoppers: u32,
    /// How many different people the shoppers are
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// The same seed makes the same shoppers and the same luck
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Part of the requests that fail in the old checkout and the old search, 0 to 1
    #[arg(long, default_value_t = 0.005, value_parser = part)]
    failures: f64,
    /// Part of the requests that fail in the new checkout, 0 to 1
    #[arg(long, default_value_t = 0.005, value_parser = part)]
    checkout_failures: f64,
    /// Part of the requests that fail in the new search, 0 to 1
    #[arg(long, default_value_t = 0.3, value_parser = part)]
    search_failures: f64,
}

fn part(text: &str) -> Result<f64, String> {
    let part: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=1.0).contains(&part) {
        Ok(part)
    } else {
        Err("a part lies between 0 and 1, for example 0.3".to_owned())
    }
}

#[actix_web::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new("info,actix_server=warn")))
        .with_writer(std::io::stderr)
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("the shop cannot open: {message}");
            ExitCode::from(UNAVAILABLE)
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let tidegate = Tidegate::connect(&Connection {
        node: arguments.ofrep,
        token: token(arguments.token_file)?,
        patience: Duration::from_millis(arguments.patience),
    })?;
    let rates = Rates {
        old: arguments.failures,
        new_checkout: arguments.checkout_failures,
        new_search: arguments.search_failures,
    };
    let shop = Shop::open(tidegate.clone(), rates, arguments.seed).map_err(|error| error.to_string())?;
    let shop = web::Data::new(shop);
    let server = HttpServer::new(move || App::new().app_data(shop.clone()).configure(pages::routes))
        .workers(1)
        .disable_signals()
        .shutdown_timeout(2)
        .bind(arguments.listen)
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.listen))?;
    let address = *server.addrs().first().ok_or("no address to listen on")?;
    println!("{}", serde_json::json!({ "listening": address.to_string() }));

    let server = server.run();
    let handle = server.handle();
    let serving = actix_rt::spawn(server);
    let telling = actix_rt::spawn(tidegate.clone().tell_regularly());
    let shopping = actix_rt::spawn(shoppers::go_shopping(Crowd {
        shop: address,
        per_second: arguments.shoppers,
        users: arguments.users,
        seed: arguments.seed,
    }));

    until_told_to_stop().await?;
    shopping.abort();
    handle.stop(true).await;
    telling.abort();
    tidegate.tell().await;
    serving
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

fn token(file: Option<PathBuf>) -> Result<Option<String>, String> {
    let Some(file) = file else {
        return Ok(std::env::var("TIDEGATE_TOKEN").ok());
    };
    let text = std::fs::read_to_string(&file)
        .map_err(|error| format!("cannot read the token in {}: {error}", file.display()))?;
    Ok(Some(text.trim().to_owned()))
}

async fn until_told_to_stop() -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.map_err(|error| error.to_string()),
        _ = terminate.recv() => Ok(()),
    }
}
