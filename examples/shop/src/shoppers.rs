//! Generated shoppers, and the dice they and the shop's luck are drawn from.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Requests under way at once; a shop that is slower than its shoppers turns the rest away.
const UNDER_WAY_MAX: usize = 256;

/// Who goes shopping.
pub(crate) struct Crowd {
    /// Where to.
    pub(crate) shop: SocketAddr,
    /// Requests per second.
    pub(crate) per_second: u32,
    /// How many different people they are.
    pub(crate) users: u32,
    /// Which people come in which order.
    pub(crate) seed: u64,
}

/// Sends shoppers at an even pace, for ever: half to the checkout, half to the search.
pub(crate) async fn go_shopping(crowd: Crowd) {
    if crowd.per_second == 0 {
        return;
    }
    let http = reqwest::Client::new();
    let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let dice = Dice::new(crowd.seed);
    let mut pace = tokio::time::interval(Duration::from_secs(1) / crowd.per_second);
    for route in ["checkout", "search"].iter().cycle() {
        pace.tick().await;
        let user = dice.next() % u64::from(crowd.users);
        let Ok(permit) = Arc::clone(&under_way).try_acquire_owned() else {
            continue;
        };
        // The same person always comes from the same country.
        let country = match user % 4 {
            0 => "FR",
            1 => "DE",
            2 => "JP",
            _ => "US",
        };
        let url = format!(
            "http://{}/{route}?user=shopper-{user}&country={country}",
            crowd.shop
        );
        let visit = http.get(url).send();
        actix_rt::spawn(async move {
            // Whether it worked is what the shop itself counts.
            let _ = visit.await;
            drop(permit);
        });
    }
}

/// Numbers that look random and are the same for the same seed: splitmix64.
pub(crate) struct Dice(AtomicU64);

impl Dice {
    /// Splitmix64's step, the golden ratio's bits.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// Dice that fall as `seed` says.
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next whole number.
    pub(crate) fn next(&self) -> u64 {
        let state = self.0.fetch_add(Self::STEP, Ordering::Relaxed);
        let mut mixed = state.wrapping_add(Self::STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number from 0 up to but not including 1.
    pub(crate) fn roll(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let upper = (self.next() >> 11) as f64;
        upper / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_fall_as_splitmix64_says() {
        let dice = Dice::new(1_234_567);
        // The reference values of the generator's author for this seed.
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn rolls_spread_evenly() {
        let dice = Dice::new(1);
        let low = (0..10_000).filter(|_| dice.roll() < 0.3).count();
        assert!((2_800..3_200).contains(&low), "{low}");
    }
}
