//! Drawing tokens allocates nothing once the sampler has seen a vocabulary.
#![allow(clippy::unwrap_used, reason = "tests")]

use rhea_engine::{Filter, Sampler};

#[test]
fn draws_take_no_memory_once_warm() {
    let logits: Vec<f32> = (0..4096).map(|i| ((i * 7919) % 977) as f32 / 80.0).collect();
    for (temperature, top_k, top_p) in [(0.0, 0, 1.0), (1.0, 0, 1.0), (0.7, 0, 0.9), (0.7, 50, 1.0), (1.3, 300, 0.95)] {
        let mut sampler = Sampler::new(3, Filter { temperature, top_k, top_p }).unwrap();
        let mut draw = |position: u64| sampler.draw(&logits, |index| index % 5 > 0, (1, position)).unwrap();
        draw(0);
        let info = allocation_counter::measure(|| {
            for position in 1..200 {
                draw(position);
            }
        });
        assert_eq!(info.count_total, 0, "temperature {temperature}, top-k {top_k}, top-p {top_p}");
    }
}
