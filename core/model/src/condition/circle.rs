//! Places on the earth, and what is near them.

use serde::{Deserialize, Serialize};

/// Half the circumference of the earth (mean radius 6371.0088 km), rounded up: no two places are
/// farther apart.
pub const KILOMETRES_MAX: f64 = 20_016.0;

/// Everything within a distance of a place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Circle {
    /// Degrees north of the equator, -90 to 90.
    pub latitude: f64,
    /// Degrees east of Greenwich, -180 to 180.
    pub longitude: f64,
    /// The distance, more than 0 and at most [`KILOMETRES_MAX`].
    pub kilometres: f64,
}

impl Circle {
    /// Whether the place exists and the distance is one.
    pub fn is_sound(&self) -> bool {
        is_place(self.latitude, self.longitude) && self.kilometres > 0.0 && self.kilometres <= KILOMETRES_MAX
    }
}

/// Whether these degrees are a place on the earth.
pub fn is_place(latitude: f64, longitude: f64) -> bool {
    (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude)
}

/// The attribute that holds the latitude of the place `attribute`: `location.latitude` of `location`.
pub fn latitude_of(attribute: &str) -> String {
    format!("{attribute}{LATITUDE}")
}

/// The attribute that holds the longitude of the place `attribute`: `location.longitude` of `location`.
pub fn longitude_of(attribute: &str) -> String {
    format!("{attribute}.longitude")
}

/// The place whose latitude an attribute holds: `location` of `location.latitude`.
pub fn place_of(latitude: &str) -> &str {
    latitude.strip_suffix(LATITUDE).unwrap_or(latitude)
}

const LATITUDE: &str = ".latitude";
