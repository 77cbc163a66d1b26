//! The test by ranks.

use crate::distribution::chi_squared;
use crate::{PValue, Refusal};

/// What ranks say about several groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KruskalWallis {
    /// How much the groups' mean ranks vary, corrected for ties.
    pub h: f64,
    /// The number of groups less one.
    pub df: f64,
    /// The chance of an h as large or larger if all groups come from one distribution.
    pub p: PValue,
}

/// The test by Kruskal and Wallis (1952, Journal of the American Statistical Association 47:583) with the correction for
/// ties and the chi-squared distribution, which needs about five values a group.
///
/// It is computed as (n - 1) times the share of the ranks' variance that lies between groups: the same number, ties
/// included.
///
/// # Errors
///
/// [`Refusal::TooFew`] below two groups or without a value in one, [`Refusal::Invalid`] for what is no number,
/// [`Refusal::NoVariance`] when all values are the same.
pub fn kruskal_wallis<G: AsRef<[f64]>>(groups: &[G]) -> Result<KruskalWallis, Refusal> {
    let too_few = |what, have, need| Err(Refusal::TooFew { what, have, need });
    let k: f64 = groups.iter().map(|_| 1.0).sum();
    if k < 2.0 {
        return too_few("groups", k, 2.0);
    }
    let each = || groups.iter().map(AsRef::as_ref);
    if each().any(<[f64]>::is_empty) {
        return too_few("values in a group", 0.0, 1.0);
    }
    if each().flatten().any(|value| value.is_nan()) {
        return Err(Refusal::Invalid {
            field: "value",
            value: f64::NAN,
            rule: "be a number",
        });
    }
    let mut pooled: Vec<(f64, usize)> = each()
        .enumerate()
        .flat_map(|(group, values)| values.iter().map(move |value| (*value, group)))
        .collect();
    pooled.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    // For each group the number of its values, and the sum of their ranks less the mean rank.
    let mut sums = vec![(0.0_f64, 0.0_f64); groups.len()];
    let n: f64 = pooled.iter().map(|_| 1.0).sum();
    let (mut below, mut total) = (0.0, 0.0);
    for tie in pooled.chunk_by(|a, b| a.0 == b.0) {
        let tied: f64 = tie.iter().map(|_| 1.0).sum();
        let away = below + (tied + 1.0) / 2.0 - (n + 1.0) / 2.0;
        below += tied;
        total += tied * away * away;
        for (_, group) in tie {
            if let Some((size, sum)) = sums.get_mut(*group) {
                *size += 1.0;
                *sum += away;
            }
        }
    }
    if total <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    let between: f64 = sums.iter().map(|(size, sum)| sum * sum / size).sum();
    let (h, df) = ((n - 1.0) * between / total, k - 1.0);
    Ok(KruskalWallis {
        h,
        df,
        p: PValue::new(chi_squared::sf(h, df), chi_squared::ln_sf(h, df).min(0.0)),
    })
}
