//! Counts what each engine allocates for one evaluation. A program of its own: counting has a price, and
//! the times should not carry it.

use tidegate_engines::engines;
use tidegate_engines::workload::Workload;

/// Contexts that are counted over; what an engine allocates differs little between them.
const CONTEXTS: usize = 64;

fn main() {
    for seat in engines::all().into_iter().flatten() {
        for workload in Workload::ALL {
            seat.round(workload, CONTEXTS);
            let prepared = allocation_counter::measure(|| {
                seat.round(workload, CONTEXTS);
            });
            let raw = allocation_counter::measure(|| {
                seat.raw_round(workload, CONTEXTS);
            });
            let each = |count: u64| count as f64 / CONTEXTS as f64;
            println!(
                "{}\t{}\t{}\t{}",
                seat.name(),
                workload.letter(),
                each(prepared.count_total),
                each(raw.count_total)
            );
        }
    }
}
