//! Places near a place.

use tidegate_model::condition::circle::{Circle, is_place};

/// Mean radius of the earth in kilometres, (2a + b) / 3 of the WGS 84 ellipsoid: H. Moritz, Geodetic
/// Reference System 1980, Journal of Geodesy 74 (2000).
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// A distance around a place.
#[derive(Debug)]
pub(crate) struct Surroundings {
    latitude: f64,
    longitude: f64,
    cosine: f64,
    kilometres: f64,
}

impl Surroundings {
    /// The places inside the circle.
    pub(crate) fn of(circle: Circle) -> Self {
        let latitude = circle.latitude.to_radians();
        Self {
            latitude,
            longitude: circle.longitude.to_radians(),
            cosine: latitude.cos(),
            kilometres: circle.kilometres,
        }
    }

    /// Whether they reach as far as this.
    pub(crate) fn reach(&self, kilometres: f64) -> bool {
        kilometres <= self.kilometres
    }

    /// How far a place is; `None` when the degrees are no place. Measured along a great circle of a spherical earth (haversine formula: R. W. Sinnott,
    /// Virtues of the Haversine, Sky and Telescope 68, 1984). Up to 0.5 % off what an ellipsoid gives.
    pub(crate) fn kilometres_to(&self, latitude: f64, longitude: f64) -> Option<f64> {
        if !is_place(latitude, longitude) {
            return None;
        }
        let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
        let half_sine_squared = |angle: f64| (angle / 2.0).sin().powi(2);
        let haversine = half_sine_squared(latitude - self.latitude)
            + self.cosine * latitude.cos() * half_sine_squared(longitude - self.longitude);
        // Rounding may lead a hair above 1 for opposite points.
        Some(2.0 * EARTH_RADIUS_KM * haversine.min(1.0).sqrt().asin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn around(latitude: f64, longitude: f64, kilometres: f64) -> Surroundings {
        Surroundings::of(Circle {
            latitude,
            longitude,
            kilometres,
        })
    }

    #[test]
    fn distances_are_known() {
        let quarter = EARTH_RADIUS_KM * std::f64::consts::FRAC_PI_2;
        for (from, to, kilometres) in [
            ((0.0, 0.0), (0.0, 0.0), 0.0),
            ((0.0, 0.0), (0.0, 1.0), EARTH_RADIUS_KM.to_radians()),
            ((0.0, 179.5), (0.0, -179.5), EARTH_RADIUS_KM.to_radians()),
            ((0.0, 0.0), (90.0, 77.0), quarter),
            ((0.0, 0.0), (0.0, 180.0), 2.0 * quarter),
            ((-90.0, 0.0), (90.0, 0.0), 2.0 * quarter),
            // Paris and London: 343.5 km, as great-circle calculators say.
            ((48.8566, 2.3522), (51.5074, -0.1278), 343.556),
        ] {
            let found = around(from.0, from.1, 1.0).kilometres_to(to.0, to.1).unwrap();
            assert!((found - kilometres).abs() < 0.01, "{from:?} {to:?}: {found}");
        }
    }

    #[test]
    fn what_is_no_place_is_nowhere() {
        let everywhere = around(0.0, 0.0, 20_016.0);
        for (latitude, longitude) in [(0.0, 180.0), (0.0, -180.0), (-90.0, 0.0)] {
            let kilometres = everywhere.kilometres_to(latitude, longitude);
            assert!(everywhere.reach(kilometres.unwrap()), "{latitude} {longitude}");
        }
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            let found = everywhere.kilometres_to(latitude, longitude);
            assert_eq!(found, None, "{latitude} {longitude}");
        }
    }

    proptest! {
        /// Against the angle between two vectors, another formula for the same thing.
        #[test]
        fn distances_are_angles(
            from in (-90.0..=90.0_f64, -180.0..=180.0_f64),
            to in (-90.0..=90.0_f64, -180.0..=180.0_f64),
        ) {
            let vector = |(latitude, longitude): (f64, f64)| {
                let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
                [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
            };
            let (a, b) = (vector(from), vector(to));
            let chord = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            let expected = 2.0 * EARTH_RADIUS_KM * (chord / 2.0).min(1.0).asin();
            let found = around(from.0, from.1, 1.0).kilometres_to(to.0, to.1).unwrap();
            prop_assert!((found - expected).abs() < 0.01, "{} {}", found, expected);
            let back = around(to.0, to.1, 1.0).kilometres_to(from.0, from.1).unwrap();
            prop_assert!((found - back).abs() < 1e-6);
        }
    }
}
