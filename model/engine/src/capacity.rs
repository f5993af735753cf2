//! What a model takes on cards that compute faster than they read: floors of time, and bytes, before there is any card.
//!
//! Every figure is arithmetic over the model's sizes and the numbers on a card's sheet. No program is faster than a floor; how near
//! one comes has to be measured.
//!
//! With `W` the bytes of the layers and of the head's visual rows, `K` those of keys and values of a token, `B` and `F` the bytes and
//! operations of a card per second, `s` streams (branches of guidance times pictures in flight) over `n` cards:
//!
//! ```text
//! next token   max((W + s L K) / (n B), 2 s P / (n F)) + 2 layers T      L tokens of context, P values, T of a small all-reduce
//! canvas pass  s (2 P R + 4 R (L + R) q layers) / (n F) + 2 layers A     R rows, q width of all heads, A of an all-reduce of s R rows
//! A            2 (n - 1) / n * bytes / link                              a ring; 0 on one card
//! ```

use rhea_nn::transformer::TransformerConfig;

use crate::estimate::Shape;

/// A small all-reduce between cards of one machine, seconds: the time of a message, not of its bytes. An assumption, as libraries reach
/// it on fast links.
pub const SMALL_REDUCE_SECS: f64 = 10e-6;
/// Activations travel in bf16.
const WIRE_BYTES: f64 = 2.0;

/// Emu3.5 as published.
const PUBLISHED: Shape = Shape {
    layers: 64,
    hidden: 5120,
    inner: 25_600,
    q: 8192,
    kv: 1024,
    vocabulary: 282_926,
    visual_start: 151_854,
    stored: 2,
};

/// A card as its sheet says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Card {
    /// Its name.
    pub name: &'static str,
    /// Memory, bytes.
    pub bytes: f64,
    /// Bytes read per second.
    pub bytes_per_s: f64,
    /// Operations per second in bf16, dense.
    pub flops: f64,
    /// Bytes per second to the other cards, one way.
    pub link_per_s: f64,
}

impl Card {
    /// NVIDIA A100 SXM, 80 GB.
    pub const A100: Self =
        Self { name: "A100 80 GB", bytes: 80e9, bytes_per_s: 2.039e12, flops: 312e12, link_per_s: 300e9 };
    /// NVIDIA H100 SXM.
    pub const H100: Self =
        Self { name: "H100 80 GB", bytes: 80e9, bytes_per_s: 3.35e12, flops: 989e12, link_per_s: 450e9 };
    /// NVIDIA H200 SXM.
    pub const H200: Self =
        Self { name: "H200 141 GB", bytes: 141e9, bytes_per_s: 4.8e12, flops: 989e12, link_per_s: 450e9 };
    /// Those that tables have.
    pub const ALL: [Self; 3] = [Self::A100, Self::H100, Self::H200];
}

/// How a model lies on cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Every matrix is cut over all cards.
    Tensor(u32),
    /// The two branches of guidance have half of the cards each, which cut the matrices.
    Guidance(u32),
    /// Layers one card after the other; only one card works at a time.
    Layers(u32),
}

impl Placement {
    /// Cards in all.
    #[must_use]
    pub fn cards(self) -> u32 {
        match self {
            Self::Tensor(n) | Self::Guidance(n) | Self::Layers(n) => n,
        }
    }

    /// As it is asked for on the command line.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Tensor(n) => format!("tp={n}"),
            Self::Guidance(n) => format!("tp={},cfg=2", n / 2),
            Self::Layers(_) => "layers".to_owned(),
        }
    }

    /// Cards that share one stream's work at the same time, and parts that every card holds of the matrices.
    fn parts(self) -> (f64, f64) {
        match self {
            Self::Tensor(n) => (f64::from(n), f64::from(n)),
            Self::Guidance(n) => (f64::from(n / 2), f64::from(n / 2)),
            Self::Layers(n) => (1.0, f64::from(n)),
        }
    }

    /// Branches that a card works on, of those there are.
    fn branches(self, all: f64) -> f64 {
        if matches!(self, Self::Guidance(_)) { all / 2.0 } else { all }
    }
}

/// The sizes of a model, with the bytes that a weight and a key take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    shape: Shape,
    /// Bytes of a weight: 2 for bf16, 1 for fp8.
    pub weight_bytes: f64,
    /// Bytes of a value of keys and values.
    pub kv_bytes: f64,
}

/// What is generated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Branches of guidance: 1 without, 2 with.
    pub branches: u32,
    /// Pictures that are made at the same time, in one batch.
    pub pictures: u32,
    /// Tokens before the picture, in each stream.
    pub context: u32,
    /// Cells of a picture, each a token.
    pub cells: u32,
    /// Tokens that end its lines.
    pub line_ends: u32,
}

impl Load {
    /// A picture of 16 px cells after a context, with guidance.
    #[must_use]
    pub fn picture(side_px: u32, context: u32) -> Self {
        let side = side_px / 16;
        Self { branches: 2, pictures: 1, context, cells: side * side, line_ends: side }
    }

    fn streams(&self) -> f64 {
        f64::from(self.branches) * f64::from(self.pictures)
    }

    fn tokens(&self) -> f64 {
        f64::from(self.cells + self.line_ends)
    }
}

impl Capacity {
    /// Of a model's settings; `visual_start` is its first visual id.
    #[must_use]
    pub fn new(config: &TransformerConfig, visual_start: usize, weight_bytes: f64, kv_bytes: f64) -> Self {
        Self { shape: Shape::of(config, 2, visual_start), weight_bytes, kv_bytes }
    }

    /// Of the published Emu3.5.
    #[must_use]
    pub fn published(weight_bytes: f64, kv_bytes: f64) -> Self {
        Self { shape: PUBLISHED, weight_bytes, kv_bytes }
    }

    /// Values of the layers and of the head's visual rows: what a step reads while it draws.
    #[must_use]
    pub fn values(&self) -> f64 {
        self.shape
            .matrices()
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != 4)
            .map(|(_, (c, n, k, _))| (c * n * k) as f64)
            .sum()
    }

    /// Values of the layers and the whole head; the embedding, of which a step reads one row a token, is not among them.
    #[must_use]
    pub fn resident_values(&self) -> f64 {
        self.shape.matrices().iter().map(|(c, n, k, _)| (c * n * k) as f64).sum()
    }

    /// Bytes of the embedding, which may stay in the machine's memory.
    #[must_use]
    pub fn embedding_bytes(&self) -> f64 {
        (self.shape.vocabulary * self.shape.hidden) as f64 * self.weight_bytes
    }

    /// Bytes of keys and values of a token in one stream.
    #[must_use]
    pub fn token_bytes(&self) -> f64 {
        (self.shape.layers * 2 * self.shape.kv) as f64 * self.kv_bytes
    }

    /// Bytes of weights on each card.
    #[must_use]
    pub fn card_weights(&self, placement: Placement) -> f64 {
        self.resident_values() * self.weight_bytes / placement.parts().1
    }

    /// Bytes of keys and values on each card, for so many tokens in each of so many streams of each branch.
    #[must_use]
    pub fn card_kv(&self, placement: Placement, load: &Load) -> f64 {
        let tokens = f64::from(load.context) + load.tokens();
        placement.branches(load.streams()) * tokens * self.token_bytes() / placement.parts().1
    }

    /// Floor of a next-token step of all streams, seconds.
    #[must_use]
    pub fn next_token_secs(&self, card: &Card, placement: Placement, load: &Load) -> f64 {
        let (at_once, _) = placement.parts();
        let streams = placement.branches(load.streams());
        // On average half of the picture is there.
        let length = f64::from(load.context) + load.tokens() / 2.0;
        let bytes = self.values() * self.weight_bytes + streams * length * self.token_bytes();
        let flops = 2.0 * streams * self.values();
        (bytes / card.bytes_per_s).max(flops / card.flops) / at_once + self.reduces(placement) * SMALL_REDUCE_SECS
    }

    /// Floor of one pass over the canvases of all streams, seconds.
    #[must_use]
    pub fn canvas_secs(&self, card: &Card, placement: Placement, load: &Load) -> f64 {
        let (at_once, _) = placement.parts();
        let streams = placement.branches(load.streams());
        let (rows, before) = (load.tokens(), f64::from(load.context));
        let attention = 4.0 * rows * (before + rows) * (self.shape.q * self.shape.layers) as f64;
        let flops = streams * (2.0 * self.values() * rows + attention);
        let sent = streams * rows * self.shape.hidden as f64 * WIRE_BYTES;
        let reduce = 2.0 * (at_once - 1.0) / at_once * sent / card.link_per_s;
        flops / card.flops / at_once + self.reduces(placement) * reduce
    }

    /// All-reduces of a step: two a layer where matrices are cut.
    fn reduces(&self, placement: Placement) -> f64 {
        if placement.parts().0 > 1.0 { 2.0 * self.shape.layers as f64 } else { 0.0 }
    }

    /// Floor of a picture token by token, seconds. Line ends are known and need no step of their own.
    #[must_use]
    pub fn picture_secs(&self, card: &Card, placement: Placement, load: &Load) -> f64 {
        f64::from(load.cells) * self.next_token_secs(card, placement, load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: Card =
        Card { name: "as measured", bytes: 141e9, bytes_per_s: 4.8e12, flops: 790e12, link_per_s: 450e9 };

    fn near(got: f64, wanted: f64, share: f64, what: &str) {
        assert!((got / wanted - 1.0).abs() <= share, "{what}: {got}, not {wanted}");
    }

    #[test]
    fn sizes_are_the_published_ones() {
        let bf16 = Capacity::published(2.0, 2.0);
        near(bf16.resident_values() * 2.0, 65.3e9, 0.01, "bytes of layers and head");
        near(bf16.values() * 2.0, 63.7e9, 0.01, "bytes of a step that draws");
        assert_eq!(bf16.token_bytes(), 256.0 * 1024.0);
        near(bf16.resident_values() + bf16.embedding_bytes() / 2.0, 34.1e9, 0.001, "values");
    }

    /// Worked out by hand from the formulas, with line ends as steps and no context.
    #[test]
    fn floors_are_those_worked_out_by_hand() {
        let model = Capacity::published(2.0, 2.0);
        let small = Load { cells: 1056, line_ends: 0, ..Load::picture(512, 0) };
        let large = Load { cells: 4160, line_ends: 0, ..Load::picture(1024, 0) };
        let (one, eight) = (Placement::Tensor(1), Placement::Tensor(8));
        near(model.picture_secs(&CARD, one, &small), 14.0, 0.02, "512 px on one");
        near(model.picture_secs(&CARD, one, &large), 57.0, 0.02, "1024 px on one");
        near(model.picture_secs(&CARD, eight, &small), 3.1, 0.05, "512 px on eight");
        near(8.0 * model.canvas_secs(&CARD, one, &small), 1.42, 0.03, "eight passes on one");
        near(8.0 * model.canvas_secs(&CARD, eight, &small), 0.26, 0.03, "eight passes on eight");
        near(25.0 * model.canvas_secs(&CARD, one, &large), 19.2, 0.03, "25 passes of 1024 px on one");
        let fp8 = Capacity::published(1.0, 2.0);
        near(fp8.picture_secs(&CARD, one, &small), 7.0, 0.03, "fp8");
    }

    #[test]
    fn placements_share_what_they_say() {
        let model = Capacity::published(2.0, 2.0);
        let load = Load::picture(512, 8192);
        let kv = |placement| model.card_kv(placement, &load);
        near(kv(Placement::Tensor(4)) * 4.0, kv(Placement::Tensor(1)), 1e-9, "keys and values are cut");
        near(kv(Placement::Guidance(8)) * 8.0, kv(Placement::Tensor(1)), 1e-9, "a branch on each half");
        near(model.card_weights(Placement::Guidance(8)), model.card_weights(Placement::Tensor(4)), 1e-9, "two copies");
        let time = |placement| model.next_token_secs(&CARD, placement, &load);
        near(time(Placement::Layers(4)), time(Placement::Tensor(1)), 1e-9, "layers one after the other");
        assert!(time(Placement::Tensor(8)) < time(Placement::Guidance(8)), "a token is read faster from eight parts");
        let pass = |placement| model.canvas_secs(&CARD, placement, &load);
        assert!(pass(Placement::Guidance(8)) < pass(Placement::Tensor(8)), "a canvas sends less within halves");
    }
}
