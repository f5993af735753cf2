//! Prints what the kernels reach on one core: `cargo run --release -p rhea-nn --example kernels`.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::time::Instant;

use rhea_nn::kernels::{
    ConvShape, Packed, Unit, conv_backward_data, conv_backward_weight, conv_forward, product, product_tn, unit,
};

fn rate(name: &str, flop: f64, mut run: impl FnMut()) {
    run();
    let start = Instant::now();
    let mut n = 0;
    while start.elapsed().as_secs_f64() < 0.2 {
        run();
        n += 1;
    }
    let secs = start.elapsed().as_secs_f64() / f64::from(n);
    println!("{name:40} {:8.0} GFLOP/s {:9.3} ms", flop / secs / 1e9, secs * 1e3);
}

fn all() {
    println!("unit {}", unit().name());
    for (m, k, n) in
        [(64, 512, 512), (64, 512, 2048), (256, 512, 2048), (256, 2048, 512), (4096, 256, 768), (1, 512, 2048)]
    {
        let (x, w, mut y) = (vec![0.5; m * k], vec![0.25; n * k], vec![0.0; m * n]);
        let flop = 2.0 * (m * k * n) as f64;
        for unit in Unit::present() {
            let packed = Packed::from_nk(unit, &w, n, k);
            rate(&format!("{} {m} x {k} x {n}", unit.name()), flop, || product(&x, m, &packed, None, &mut y));
        }
    }
    let (m, k, n) = (4096, 256, 768);
    let (x, dy, mut dw) = (vec![0.5; m * k], vec![0.5; m * n], vec![0.0; k * n]);
    rate("weight gradient 4096 x 256 x 768", 2.0 * (m * k * n) as f64, || {
        product_tn(unit(), &dy, &x, m, n, k, &mut dw)
    });
    let w = vec![0.25; n * k];
    rate("pack nk 768 x 256", (n * k) as f64, || drop(Packed::from_nk(unit(), &w, n, k)));
    rate("pack kn 768 x 256", (n * k) as f64, || drop(Packed::from_kn(unit(), &w, k, n)));
    for (side, c) in [(32, 64), (16, 128), (8, 256)] {
        let s =
            ConvShape { batch: 16, y: side, x: side, c_in: c, c_out: c, side: 3, upsample: false, downsample: false };
        let (x, w, bias, mut y) =
            (vec![0.5; s.in_len()], vec![0.25; s.weight_len()], vec![0.0; c], vec![0.0; s.out_len()]);
        let (mut dx, mut dw) = (x.clone(), w.clone());
        let flop = 2.0 * (s.out_len() * c * 9) as f64;
        let (forward, backward) = (s.pack(unit(), &w), s.pack_backward(unit(), &w));
        rate(&format!("conv {side} px {c} forward"), flop, || conv_forward(&s, &x, &forward, &bias, &mut y));
        rate(&format!("conv {side} px {c} data"), flop, || conv_backward_data(&s, &y, &backward, &mut dx));
        rate(&format!("conv {side} px {c} weight"), flop, || conv_backward_weight(&s, unit(), &x, &y, &mut dw));
    }
}

fn main() {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(all),
        Err(error) => println!("no thread pool: {error}"),
    }
}
