//! One line of the table, and how it is measured.

use rustix::time::{ClockId, clock_gettime};

/// How much processor time a line gets in one round, at least.
const SLICE_NANOSECONDS: u64 = 4_000_000;
/// Rounds in which every line has its turn; the median of them is reported.
const ROUNDS: usize = 25;

/// Something that is measured.
pub(crate) struct Line<'g> {
    title: String,
    /// The sum of the answers of one pass.
    expected: u64,
    /// How many things are done in one pass.
    count: usize,
    /// One pass.
    pass: Box<dyn FnMut() -> u64 + 'g>,
}

impl<'g> Line<'g> {
    pub(crate) fn new(
        title: impl Into<String>,
        expected: u64,
        count: usize,
        pass: impl FnMut() -> u64 + 'g,
    ) -> Self {
        Self {
            title: title.into(),
            expected,
            count,
            pass: Box::new(pass),
        }
    }

    pub(crate) fn starts_with(&self, start: &str) -> bool {
        self.title.starts_with(start)
    }

    fn pass(&mut self) {
        let sum = (self.pass)();
        assert_eq!(sum, self.expected, "{}: wrong answers", self.title);
    }

    /// Nanoseconds of one of the things that a pass does.
    fn time(&mut self, passes: u64) -> f64 {
        let start = thread_nanoseconds();
        for _ in 0..passes {
            self.pass();
        }
        #[expect(clippy::cast_precision_loss, reason = "a time is not that exact")]
        let per_one = (thread_nanoseconds() - start) as f64 / (passes as f64 * self.count as f64);
        per_one
    }
}

/// Measures all lines in interleaved rounds and prints a table.
pub(crate) fn measure(mut lines: Vec<Line<'_>>) {
    let mut passes = Vec::new();
    for line in &mut lines {
        line.pass();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number of passes"
        )]
        let needed = (SLICE_NANOSECONDS as f64 / (line.time(1) * line.count as f64)).ceil() as u64;
        passes.push(needed.max(1));
    }
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); lines.len()];
    for _ in 0..ROUNDS {
        for ((line, passes), times) in lines.iter_mut().zip(&passes).zip(&mut times) {
            times.push(line.time(*passes));
        }
    }
    println!("| what | median ns | fastest round | allocations |\n|---|---|---|---|");
    for (line, mut times) in lines.iter_mut().zip(times) {
        times.sort_by(f64::total_cmp);
        let allocations = allocation_counter::measure(|| line.pass()).count_total;
        let (median, fastest) = (times.get(ROUNDS / 2).unwrap(), times.first().unwrap());
        // A pass may set itself up, which is not what is counted: one of a thousand is none.
        let allocations = allocations / line.count as u64;
        println!("| {} | {median:.1} | {fastest:.1} | {allocations} |", line.title);
    }
}

/// Processor time of this thread: what others do on the machine does not count.
fn thread_nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let whole = |number: i64| u64::try_from(number).unwrap();
    whole(time.tv_sec) * 1_000_000_000 + whole(time.tv_nsec)
}
