//! Names that lead to names: how far, and whether they come to an end.

use tidegate_model::invalid::Violation;

/// One violation, with the name it is about, for each place from which the names lead further than
/// `depth_max` or back to themselves. `needed` lists for each place the places that it names.
pub(super) fn violations<'a>(
    needed: &[Vec<u32>],
    depth_max: usize,
    name: impl Fn(u32) -> &'a str,
) -> Vec<(&'a str, Violation)> {
    let depths = depths(needed, depth_max);
    let depth = |place: u32| depths.get(place as usize).copied().unwrap_or(0);
    let mut found = Vec::new();
    for start in (0..).take(needed.len()).filter(|place| depth(*place) > depth_max) {
        let mut path = vec![start];
        let mut leads_back = false;
        while path.len() <= depth_max + 1 && !leads_back {
            let last = path.last().and_then(|last| needed.get(*last as usize));
            let Some(next) = last.and_then(|needed| needed.iter().copied().max_by_key(|next| depth(*next)))
            else {
                break;
            };
            leads_back = path.contains(&next);
            path.push(next);
        }
        let rule = if leads_back {
            "names do not lead back to themselves".to_owned()
        } else {
            format!("names lead at most {depth_max} deep")
        };
        let names: Vec<&str> = path.into_iter().map(&name).collect();
        let fix = "remove one of the names on this path";
        found.push((name(start), Violation::new("", names.join(" -> "), rule, fix)));
    }
    found
}

/// For each place, how far it leads, as far as `depth_max + 1`: loops lead further than that.
fn depths(needed: &[Vec<u32>], depth_max: usize) -> Vec<usize> {
    let mut depths = vec![0; needed.len()];
    for _ in 0..=depth_max {
        let beyond = |place: &u32| depths.get(*place as usize).map_or(0, |depth| depth + 1);
        let next: Vec<usize> = needed
            .iter()
            .map(|needed| needed.iter().map(beyond).max().unwrap_or(0))
            .collect();
        if next == depths {
            break;
        }
        depths = next;
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

    fn check(needed: &[&[u32]], expected: &[&str]) {
        let needed: Vec<Vec<u32>> = needed.iter().map(|needed| needed.to_vec()).collect();
        let found: Vec<String> = violations(&needed, 2, |place| NAMES[place as usize])
            .into_iter()
            .map(|(name, violation)| format!("{name}: {}, {}", violation.value, violation.rule))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn chains_have_an_end() {
        check(
            &[&[], &[0], &[1], &[0, 1, 2]],
            &["d: d -> c -> b -> a, names lead at most 2 deep"],
        );
        check(&[&[], &[0], &[1, 0], &[1, 1]], &[]);
        check(&[&[0]], &["a: a -> a, names do not lead back to themselves"]);
        check(
            &[&[1], &[0], &[0], &[]],
            &[
                "a: a -> b -> a, names do not lead back to themselves",
                "b: b -> a -> b, names do not lead back to themselves",
                "c: c -> a -> b -> a, names do not lead back to themselves",
            ],
        );
    }
}
