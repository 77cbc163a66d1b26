//! The pages of the shop, and the numbers they leave in Prometheus.

use crate::shoppers::Dice;
use crate::tidegate::{OLD, Tidegate};
use actix_web::{HttpResponse, web};
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Value of the label `service`.
const SERVICE: &str = "shop";

/// The variation of both features that is being opened.
const NEW: &str = "on";

/// A part of the shop that exists in an old and a new variation.
struct Feature {
    route: &'static str,
    flag: &'static str,
    /// Which part of the requests fail in the new variation.
    new_fails: fn(&Rates) -> f64,
}

const CHECKOUT: Feature = Feature {
    route: "/checkout",
    flag: "new-checkout",
    new_fails: |rates| rates.new_checkout,
};

const SEARCH: Feature = Feature {
    route: "/search",
    flag: "new-search",
    new_fails: |rates| rates.new_search,
};

/// Which part of the requests fail, 0 to 1.
pub(crate) struct Rates {
    /// In both old variations.
    pub(crate) old: f64,
    /// In the new checkout.
    pub(crate) new_checkout: f64,
    /// In the new search.
    pub(crate) new_search: f64,
}

/// The shop: what its pages share.
pub(crate) struct Shop {
    tidegate: Tidegate,
    rates: Rates,
    dice: Dice,
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl Shop {
    /// A shop whose luck depends on `seed`.
    pub(crate) fn open(tidegate: Tidegate, rates: Rates, seed: u64) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new(
                "http_requests_total",
                "Requests by what they got and how they ended",
            ),
            &["service", "route", "flag", "variation", "code"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("http_request_duration_seconds", "Time to answer a request"),
            &["service", "route", "flag", "variation"],
        )?;
        // A counter that nobody has counted with does not exist, and Prometheus answers nothing
        // about it, which is not zero: a rule that divides by it would be blind. So all exist.
        for Feature { route, flag, .. } in [CHECKOUT, SEARCH] {
            for variation in [OLD, NEW] {
                for code in ["200", "500"] {
                    requests.with_label_values(&[SERVICE, route, flag, variation, code]);
                }
            }
        }
        let registry = Registry::new();
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            tidegate,
            rates,
            // Other dice than the shoppers', so that no shopper is unlucky by name.
            dice: Dice::new(!seed),
            registry,
            requests,
            seconds,
        })
    }

    /// One request to a feature: ask which variation, serve it, count what became of it.
    async fn serve(&self, feature: &Feature, visitor: &Visitor) -> HttpResponse {
        let start = Instant::now();
        let variation = self
            .tidegate
            .variation(feature.flag, &visitor.user, &visitor.country)
            .await;
        let fails = if variation == OLD {
            self.rates.old
        } else {
            (feature.new_fails)(&self.rates)
        };
        let failed = self.dice.roll() < fails;
        // As long as a shop's database might take.
        tokio::time::sleep(Duration::from_secs_f64(0.002 + 0.008 * self.dice.roll())).await;

        let labels = [SERVICE, feature.route, feature.flag, variation.as_str()];
        let took = start.elapsed().as_secs_f64();
        self.seconds.with_label_values(&labels).observe(took);
        let [service, route, flag, _] = labels;
        let code = if failed { "500" } else { "200" };
        self.requests
            .with_label_values(&[service, route, flag, &variation, code])
            .inc();
        self.tidegate.happened("request", feature.flag, &variation);
        if failed {
            self.tidegate.happened("request_failed", feature.flag, &variation);
            return HttpResponse::InternalServerError().body("sorry, that did not work\n");
        }
        HttpResponse::Ok().body(format!("{} is {variation} for {}\n", feature.flag, visitor.user))
    }
}

/// Who asks for a page.
#[derive(Deserialize)]
pub(crate) struct Visitor {
    #[serde(default = "guest")]
    user: String,
    #[serde(default)]
    country: String,
}

fn guest() -> String {
    "guest".to_owned()
}

/// All pages.
pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.route("/", web::get().to(home))
        .route("/checkout", web::get().to(checkout))
        .route("/search", web::get().to(search))
        .route("/metrics", web::get().to(metrics))
        .route("/livez", web::get().to(HttpResponse::Ok));
}

async fn home() -> &'static str {
    "The shop. Try /checkout?user=ada and /search?user=ada&country=FR; /metrics is for Prometheus.\n"
}

async fn checkout(shop: web::Data<Shop>, visitor: web::Query<Visitor>) -> HttpResponse {
    shop.serve(&CHECKOUT, &visitor).await
}

async fn search(shop: web::Data<Shop>, visitor: web::Query<Visitor>) -> HttpResponse {
    shop.serve(&SEARCH, &visitor).await
}

async fn metrics(shop: web::Data<Shop>) -> HttpResponse {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&shop.registry.gather(), &mut text) {
        Ok(()) => HttpResponse::Ok().content_type(encoder.format_type()).body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}
