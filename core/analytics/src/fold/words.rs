//! What contexts said about the dimensions of an experiment, by number.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What stands for a dimension of which the context said nothing.
pub(super) const NONE: &str = "(none)";

/// Each set of values that units had, one for each dimension.
#[derive(Debug)]
pub(super) struct Vocabulary {
    dimensions: Vec<Dimension>,
    /// For each set the numbers of its values.
    sets: Vec<Arc<[u32]>>,
    numbers: BTreeMap<Arc<[u32]>, u32>,
    /// Bytes of memory for all of it.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Dimension {
    name: String,
    values: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, u32>,
}

/// What a word and its two places take beside its text, and a set beside its numbers.
const ENTRY: usize = 80;

impl Vocabulary {
    pub(super) fn of(dimensions: &[String]) -> Self {
        let dimensions = dimensions.iter().map(|name| Dimension {
            name: name.clone(),
            ..Dimension::default()
        });
        Self {
            dimensions: dimensions.collect(),
            sets: Vec::new(),
            numbers: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// The number of what a context says.
    pub(super) fn number(&mut self, says: &BTreeMap<String, String>) -> u32 {
        if self.dimensions.is_empty() {
            return 0;
        }
        let bytes = &mut self.bytes;
        let values = self.dimensions.iter_mut().map(|dimension| {
            let value = says.get(&dimension.name).map_or(NONE, String::as_str);
            if let Some(number) = dimension.numbers.get(value) {
                return *number;
            }
            let (number, value) = (next(dimension.values.len()), Arc::from(value));
            *bytes += ENTRY + str::len(&value);
            dimension.values.push(Arc::clone(&value));
            dimension.numbers.insert(value, number);
            number
        });
        let set: Vec<u32> = values.collect();
        if let Some(number) = self.numbers.get(set.as_slice()) {
            return *number;
        }
        let (number, set) = (next(self.sets.len()), Arc::from(set));
        self.bytes += ENTRY + size_of_val::<[u32]>(&set);
        self.sets.push(Arc::clone(&set));
        self.numbers.insert(set, number);
        number
    }

    /// The order of two sets by their texts.
    pub(super) fn compare(&self, a: u32, b: u32) -> Ordering {
        let texts = |set: u32| (0..self.dimensions.len()).map(move |dimension| self.value(set, dimension));
        texts(a).cmp(texts(b))
    }

    /// What a set says about a dimension.
    pub(super) fn value(&self, set: u32, dimension: usize) -> &str {
        let found = || {
            let set = self.sets.get(usize::try_from(set).ok()?)?;
            let value = usize::try_from(*set.get(dimension)?).ok()?;
            self.dimensions.get(dimension)?.values.get(value)
        };
        found().map_or(NONE, |value| value)
    }

    /// How many sets there are.
    pub(super) fn sets(&self) -> usize {
        self.sets.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn next(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
