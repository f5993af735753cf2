//! Colour schemes made by hand: walls, floors and ceilings that go together.

use crate::colour::Paint;
use crate::material::Material;
use crate::spec::{Sky, Walls};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

const fn p(hex: u32) -> Paint {
    let [_, r, g, b] = hex.to_be_bytes();
    Paint([r, g, b])
}

const WHITE: Paint = p(0xf8f5ee);

/// An indoor scheme.
struct Indoor {
    wall: Paint,
    /// Lower part of a two-tone wall.
    lower: Paint,
    skirting: Paint,
    floor: [Paint; 2],
    ceiling: Paint,
}

const INDOOR: [Indoor; 12] = [
    // Teal and cream over light oak.
    Indoor {
        wall: p(0xf3e7cd),
        lower: p(0x3a9293),
        skirting: WHITE,
        floor: [p(0xcf9d68), p(0xbd8852)],
        ceiling: p(0xfaf7ef),
    },
    // Sage with terracotta tiles.
    Indoor {
        wall: p(0xb4c8a8),
        lower: p(0x7d9a76),
        skirting: WHITE,
        floor: [p(0xcd7a58), p(0xe3a582)],
        ceiling: p(0xfbf8f0),
    },
    // Light blue with black and white tiles.
    Indoor {
        wall: p(0xb2d3ea),
        lower: p(0x5b8fbf),
        skirting: WHITE,
        floor: [p(0xf0ece2), p(0x54606e)],
        ceiling: p(0xfafafa),
    },
    // Peach and rose over walnut.
    Indoor {
        wall: p(0xf6cdb0),
        lower: p(0xd98772),
        skirting: WHITE,
        floor: [p(0x9a6843), p(0x875835)],
        ceiling: p(0xfff8ee),
    },
    // Lilac with pale tiles.
    Indoor {
        wall: p(0xd3c4e6),
        lower: p(0x8d74b4),
        skirting: WHITE,
        floor: [p(0xf2ead8), p(0xcdbfa6)],
        ceiling: p(0xfbf9fd),
    },
    // Butter yellow with blue tiles.
    Indoor {
        wall: p(0xf5de96),
        lower: p(0xe3b24f),
        skirting: WHITE,
        floor: [p(0x6f9cc4), p(0xe9eef0)],
        ceiling: p(0xfffbf0),
    },
    // Mint over honey wood.
    Indoor {
        wall: p(0xbfe4d0),
        lower: p(0x57a68c),
        skirting: WHITE,
        floor: [p(0xd9a95f), p(0xc8954c)],
        ceiling: p(0xfafdf9),
    },
    // Terracotta and sand.
    Indoor {
        wall: p(0xe6c9a0),
        lower: p(0xc56f4e),
        skirting: p(0x8c4f38),
        floor: [p(0xe2cfae), p(0xb98e66)],
        ceiling: p(0xfcf5e8),
    },
    // Deep blue panels, warm oak.
    Indoor {
        wall: p(0xe9e4d8),
        lower: p(0x35527f),
        skirting: WHITE,
        floor: [p(0xc08a52), p(0xac7742)],
        ceiling: p(0xfaf8f2),
    },
    // Pink with grey tiles.
    Indoor {
        wall: p(0xf2bcc4),
        lower: p(0xcf7f92),
        skirting: WHITE,
        floor: [p(0xdcdbd8), p(0x9b9ca2)],
        ceiling: p(0xfdf8f8),
    },
    // White with green tiles.
    Indoor {
        wall: p(0xf4f1e8),
        lower: p(0x6d9f71),
        skirting: p(0x5d8a60),
        floor: [p(0xf1eddf), p(0x5f9a68)],
        ceiling: p(0xfdfcf8),
    },
    // Teal all over, red-brown floor.
    Indoor {
        wall: p(0x5fb0ad),
        lower: p(0x2f7f83),
        skirting: WHITE,
        floor: [p(0xb0674a), p(0x9c573d)],
        ceiling: p(0xf6fbf8),
    },
];

/// Walls, floor and ceiling of an indoor place.
pub(super) fn indoor(rng: &mut ChaCha8Rng, height_m: f32) -> (Walls, Material, Material) {
    let index = rng.random_range(0..INDOOR.len());
    let scheme = &INDOOR[index];
    let wall = match rng.random_range(0..10) {
        0..5 => Material::Flat(scheme.wall),
        5..8 => Material::Wainscot { lower: scheme.lower, upper: scheme.wall, rail: scheme.skirting, height_m: 0.95 },
        8 => Material::Blocks { a: scheme.wall, b: scheme.wall.darker(0.1), width_m: 1.2, height_m: 0.6 },
        _ => Material::Stripes { a: scheme.wall, b: scheme.wall.mixed(scheme.lower, 0.3), width_m: 0.6 },
    };
    let [a, b] = scheme.floor;
    let floor = match rng.random_range(0..10) {
        0..5 => Material::Check { a, b: distinct(a, b), size_m: *[0.8, 1.0, 1.2].choose(rng).unwrap_or(&1.0) },
        5..9 => Material::Planks { a, b: a.mixed(b, 0.8), width_m: *[0.4, 0.5, 0.6].choose(rng).unwrap_or(&0.5) },
        _ => Material::Flat(a),
    };
    let skirting = Some(scheme.skirting);
    (Walls { height_m, material: wall, skirting }, floor, Material::Flat(scheme.ceiling))
}

/// The second colour of a check, moved away from the first where the two are close.
fn distinct(a: Paint, b: Paint) -> Paint {
    let apart: i32 = (0..3).map(|i| (i32::from(a.0[i]) - i32::from(b.0[i])).abs()).sum();
    if apart < 110 { a.lighter(0.5) } else { b }
}

/// Paint of the light indoors.
pub(super) const LAMPLIGHT: Paint = p(0xfff3dc);

/// Sky and land, walls and floor of a courtyard.
pub(super) fn outdoor(rng: &mut ChaCha8Rng) -> (Sky, Walls, Material) {
    let yaw = rng.random_range(-18_i16..=18) * 10;
    let sun_yaw_deg = f32::from(yaw);
    let skies = [
        // A clear day.
        Sky {
            zenith: p(0x4f98e0),
            horizon: p(0xd6ecfa),
            sun_yaw_deg,
            sun_height_deg: 52.0,
            sun: p(0xfff4dc),
            clouds: true,
            hills: Some(p(0x6fa07c)),
            land: p(0x86b45e),
        },
        // Late afternoon.
        Sky {
            zenith: p(0x5a8fd0),
            horizon: p(0xfbe2b6),
            sun_yaw_deg,
            sun_height_deg: 32.0,
            sun: p(0xffe3b0),
            clouds: true,
            hills: Some(p(0x7f8c9c)),
            land: p(0xa8b05c),
        },
        // A pink morning.
        Sky {
            zenith: p(0x86aee6),
            horizon: p(0xfbd8d2),
            sun_yaw_deg,
            sun_height_deg: 38.0,
            sun: p(0xffe8d0),
            clouds: false,
            hills: Some(p(0x9287b0)),
            land: p(0x8cb877),
        },
        // By the sea.
        Sky {
            zenith: p(0x2f9fd8),
            horizon: p(0xd2f2ee),
            sun_yaw_deg,
            sun_height_deg: 58.0,
            sun: p(0xfff8e6),
            clouds: true,
            hills: None,
            land: p(0xe2cf9c),
        },
    ];
    let sky = *skies.choose(rng).unwrap_or(&skies[0]);
    let tones = [p(0xd8b48c), p(0xe8dcc4), p(0xc98464), p(0xcfd2d4), p(0xf0d9a8), p(0xb9c6a4)];
    let wall = *tones.choose(rng).unwrap_or(&tones[0]);
    let material = if rng.random::<f32>() < 0.7 {
        Material::Blocks { a: wall, b: wall.darker(0.14), width_m: 1.4, height_m: 0.5 }
    } else {
        Material::Flat(wall)
    };
    let height_m = *[0.9, 1.1, 1.3, 2.2].choose(rng).unwrap_or(&1.1);
    let floors = [
        Material::Check { a: p(0xe6dcc6), b: p(0xc7b596), size_m: 1.5 },
        Material::Check { a: p(0xd9d4cc), b: p(0x9fae9a), size_m: 1.2 },
        Material::Check { a: p(0xf0e2c4), b: p(0xcf8c68), size_m: 1.2 },
        Material::Flat(p(0x8fbb62)),
        Material::Flat(p(0xe0c896)),
        Material::Planks { a: p(0x9cc26c), b: p(0x84b05c), width_m: 1.2 },
    ];
    let floor = *floors.choose(rng).unwrap_or(&floors[0]);
    (sky, Walls { height_m, material, skirting: None }, floor)
}
