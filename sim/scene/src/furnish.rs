//! How each noun is built from a few boxes, spheres and cylinders.
//!
//! Everything is chunky on purpose: a leg thinner than 8 cm is lost at 128 pixels.

use crate::colour::{Colour, Paint};
use crate::material::Material;
use crate::object::{Noun, Object, Part, Shape};

const WOOD: Paint = Paint([164, 112, 70]);
const DARK_WOOD: Paint = Paint([104, 70, 46]);
const TRIM: Paint = Paint([246, 243, 236]);
const BRASS: Paint = Paint([222, 180, 84]);
const LEAF: Paint = Paint([72, 142, 66]);
const TRUNK: Paint = Paint([118, 82, 54]);
const STONE: Paint = Paint([190, 184, 172]);

/// Collects the parts of one object.
struct Builder(Vec<Part>);

impl Builder {
    /// A box from its width, height, depth, centred at `x, z`, standing on height `y`.
    fn block(&mut self, [x, y, z]: [f32; 3], [w, h, d]: [f32; 3], paint: Paint) {
        self.material([x, y, z], [w, h, d], Material::Flat(paint));
    }

    fn material(&mut self, [x, y, z]: [f32; 3], [w, h, d]: [f32; 3], material: Material) {
        self.0.push(Part {
            shape: Shape::Box { half_m: [w * 0.5, h * 0.5, d * 0.5] },
            centre_m: [x, y + h * 0.5, z],
            yaw_deg: 0.0,
            material,
        });
    }

    fn sphere(&mut self, centre_m: [f32; 3], radius_m: f32, paint: Paint) {
        let shape = Shape::Sphere { radius_m };
        self.0.push(Part { shape, centre_m, yaw_deg: 0.0, material: Material::Flat(paint) });
    }

    /// A cylinder standing on height `y`.
    fn cylinder(&mut self, [x, y, z]: [f32; 3], radius_m: f32, height_m: f32, material: Material) {
        let shape = Shape::Cylinder { radius_m, half_height_m: height_m * 0.5 };
        self.0.push(Part { shape, centre_m: [x, y + height_m * 0.5, z], yaw_deg: 0.0, material });
    }

    /// Four legs inside a footprint of `w` by `d`.
    fn legs(&mut self, w: f32, h: f32, d: f32, side: f32, paint: Paint) {
        for (sx, sz) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
            let at = [sx * (w - side) * 0.5, 0.0, sz * (d - side) * 0.5];
            self.block(at, [side, h, side], paint);
        }
    }
}

/// The shapes of an object that does not list its own.
pub(crate) fn parts(object: &Object) -> Vec<Part> {
    let [w, h, d] = object.size_m;
    let paint = object.colour.paint();
    let main = object.material.unwrap_or(Material::Flat(paint));
    let mut b = Builder(Vec::with_capacity(12));
    match object.noun {
        Noun::Ball => {
            let radius_m = w.min(h).min(d) * 0.5;
            let shape = Shape::Sphere { radius_m };
            b.0.push(Part { shape, centre_m: [0.0, radius_m, 0.0], yaw_deg: 0.0, material: main });
        }
        Noun::Box => {
            b.material([0.0; 3], [w, h * 0.82, d], main);
            b.block([0.0, h * 0.82, 0.0], [w, h * 0.18, d], paint.lighter(0.25));
        }
        Noun::Barrel => barrel(&mut b, [w, h, d], paint, main),
        Noun::Table => {
            let top = (h * 0.12).clamp(0.06, 0.12);
            let leg = (w.min(d) * 0.13).clamp(0.08, 0.14);
            b.legs(w * 0.92, h - top, d * 0.92, leg, paint.darker(0.25));
            b.material([0.0, h - top, 0.0], [w, top, d], main);
        }
        Noun::Chair => {
            let seat = h * 0.47;
            b.legs(w, seat, d, 0.08, if object.colour == Colour::Brown { DARK_WOOD } else { WOOD });
            b.material([0.0, seat, 0.0], [w, 0.09, d], main);
            b.block([0.0, seat + 0.09, -(d - 0.08) * 0.5], [w, h - seat - 0.09, 0.08], paint);
        }
        Noun::Stool => {
            b.cylinder([0.0; 3], w * 0.42, 0.05, Material::Flat(paint.darker(0.3)));
            b.cylinder([0.0, 0.05, 0.0], w * 0.14, h - 0.15, Material::Flat(WOOD));
            b.cylinder([0.0, h - 0.1, 0.0], w * 0.5, 0.1, main);
        }
        Noun::Shelf => shelf(&mut b, [w, h, d], paint),
        Noun::Cabinet => {
            b.material([0.0; 3], [w, h - 0.06, d], main);
            b.block([0.0, h - 0.06, 0.0], [w, 0.06, d], paint.darker(0.25));
            for side in [-1.0, 1.0] {
                let at = [side * w * 0.25, h * 0.12, d * 0.5 - 0.015];
                b.block(at, [w * 0.4, h * 0.66, 0.05], paint.lighter(0.22));
                b.sphere([side * w * 0.09, h * 0.5, d * 0.5 + 0.01], 0.04, BRASS);
            }
        }
        Noun::Sofa => {
            let arm = (w * 0.12).clamp(0.14, 0.22);
            b.block([0.0; 3], [w, h * 0.3, d], paint.darker(0.2));
            for side in [-1.0, 1.0] {
                b.block([side * (w - arm) * 0.5, h * 0.3, 0.0], [arm, h * 0.38, d], paint);
                let seat_w = (w - 2.0 * arm) * 0.5;
                let at = [side * seat_w * 0.5, h * 0.3, d * 0.13];
                b.block(at, [seat_w - 0.03, h * 0.24, d * 0.74], paint.lighter(0.16));
            }
            b.material([0.0, h * 0.3, -d * 0.37], [w - 2.0 * arm, h * 0.7, d * 0.26], main);
        }
        Noun::Bed => {
            b.block([0.0; 3], [w, h * 0.35, d], WOOD);
            b.block([0.0, h * 0.35, 0.0], [w * 0.96, h * 0.2, d * 0.94], TRIM);
            b.material([0.0, h * 0.35, d * 0.16], [w, h * 0.27, d * 0.68], main);
            b.block([0.0, 0.0, -d * 0.5 + 0.05], [w, h, 0.1], DARK_WOOD);
            for side in [-1.0, 1.0] {
                b.block([side * w * 0.24, h * 0.55, -d * 0.36], [w * 0.38, 0.12, d * 0.14], TRIM);
            }
        }
        Noun::Rug => {
            b.block([0.0; 3], [w, h, d], paint);
            let inner = object.material.unwrap_or(Material::Flat(paint.mixed(TRIM, 0.55)));
            b.material([0.0; 3], [w - 0.5, h + 0.006, d - 0.5], inner);
        }
        Noun::Door => {
            b.block([0.0; 3], [w, h, d * 0.6], TRIM);
            let leaf = object.material.unwrap_or(Material::Panels { leaf: paint, inset: paint.darker(0.24) });
            b.material([0.0; 3], [w - 0.24, h - 0.12, d], leaf);
            b.sphere([w * 0.5 - 0.24, h * 0.47, d * 0.5 + 0.03], 0.055, BRASS);
        }
        Noun::Window => {
            b.block([0.0; 3], [w, h, d], paint);
            let pane = object
                .material
                .unwrap_or(Material::Outlook { sky: Paint([188, 226, 250]), land: Paint([146, 194, 122]) });
            b.material([0.0, 0.09, 0.01], [w - 0.18, h - 0.18, d], pane);
            b.block([0.0, 0.09, 0.02], [0.07, h - 0.18, d], paint);
            b.block([0.0, h * 0.52, 0.02], [w - 0.18, 0.07, d], paint);
        }
        Noun::Picture => {
            b.block([0.0; 3], [w, h, d], DARK_WOOD);
            b.material([0.0, 0.07, 0.012], [w - 0.14, h - 0.14, d], main);
        }
        Noun::Pillar => {
            let light = paint.lighter(0.3);
            b.block([0.0; 3], [w, h * 0.08, w], light);
            b.cylinder([0.0, h * 0.08, 0.0], w * 0.38, h * 0.84, main);
            b.block([0.0, h * 0.92, 0.0], [w, h * 0.08, w], light);
        }
        Noun::Lamp => {
            b.cylinder([0.0; 3], w * 0.36, 0.05, Material::Flat(DARK_WOOD));
            b.cylinder([0.0, 0.05, 0.0], 0.035, h * 0.74, Material::Flat(BRASS));
            b.cylinder([0.0, h * 0.72, 0.0], w * 0.5, h * 0.28, Material::Glow(paint.lighter(0.12)));
        }
        Noun::Bench => {
            for side in [-1.0, 1.0] {
                b.block([side * w * 0.36, 0.0, 0.0], [0.14, h * 0.48, d * 0.8], STONE);
            }
            b.material([0.0, h * 0.48, 0.0], [w, 0.1, d], main);
            b.block([0.0, h * 0.66, -d * 0.44], [w, h * 0.34, 0.08], paint);
            for side in [-1.0, 1.0] {
                b.block([side * w * 0.36, h * 0.48, -d * 0.46], [0.09, h * 0.3, 0.07], paint.darker(0.3));
            }
        }
        Noun::Tree => tree(&mut b, [w, h, d], paint),
        Noun::Bush => {
            b.sphere([0.0, h * 0.5, 0.0], h * 0.5, paint);
            b.sphere([w * 0.26, h * 0.34, d * 0.08], h * 0.34, paint.lighter(0.12));
            b.sphere([-w * 0.24, h * 0.36, -d * 0.1], h * 0.36, paint.darker(0.1));
        }
        Noun::PlantPot => {
            let pot = h * 0.4;
            b.cylinder([0.0; 3], w * 0.34, pot * 0.8, main);
            b.cylinder([0.0, pot * 0.8, 0.0], w * 0.4, pot * 0.2, Material::Flat(paint.lighter(0.15)));
            b.sphere([0.0, h * 0.7, 0.0], h * 0.28, LEAF);
            b.sphere([w * 0.2, h * 0.52, w * 0.1], h * 0.18, LEAF.lighter(0.14));
            b.sphere([-w * 0.2, h * 0.56, -w * 0.05], h * 0.19, LEAF.darker(0.12));
        }
        Noun::Fountain => {
            let water = Material::Flat(Paint([104, 186, 210]));
            b.cylinder([0.0; 3], w * 0.5, h * 0.26, main);
            b.cylinder([0.0, h * 0.02, 0.0], w * 0.44, h * 0.25, water);
            b.cylinder([0.0, h * 0.2, 0.0], w * 0.09, h * 0.5, Material::Flat(STONE));
            b.cylinder([0.0, h * 0.62, 0.0], w * 0.26, h * 0.1, main);
            b.cylinder([0.0, h * 0.63, 0.0], w * 0.22, h * 0.1, water);
            b.sphere([0.0, h * 0.86, 0.0], w * 0.1, STONE);
        }
    }
    b.0
}

fn barrel(b: &mut Builder, [w, h, _]: [f32; 3], paint: Paint, main: Material) {
    b.cylinder([0.0; 3], w * 0.46, h, main);
    for y in [0.14, 0.7] {
        b.cylinder([0.0, h * y, 0.0], w * 0.5, h * 0.16, Material::Flat(paint.darker(0.35)));
    }
}

fn shelf(b: &mut Builder, [w, h, d]: [f32; 3], paint: Paint) {
    let board = 0.07;
    let levels = if h > 1.4 { 4 } else { 3 };
    let pitch = (h - board) / levels as f32;
    b.block([0.0, 0.0, -d * 0.5 + 0.03], [w, h, 0.06], paint.darker(0.3));
    for side in [-1.0, 1.0] {
        b.block([side * (w - board) * 0.5, 0.0, 0.03], [board, h, d - 0.06], paint);
    }
    let books = [Colour::Red, Colour::Yellow, Colour::Teal, Colour::White, Colour::Blue, Colour::Orange, Colour::Green];
    for level in 0..=levels {
        b.block([0.0, level as f32 * pitch, 0.03], [w - 2.0 * board, board, d - 0.06], paint);
        if level == levels {
            break;
        }
        for slot in 0..2 {
            let book = books[(level * 3 + slot * 2) % books.len()].paint();
            let width = (w - 2.0 * board) * [0.34, 0.26][slot];
            let x = (w - 2.0 * board) * ([-0.28, 0.16][slot] + 0.06 * (level % 3) as f32);
            let height = pitch * [0.62, 0.5][(level + slot) % 2];
            b.block([x, level as f32 * pitch + board, 0.0], [width, height, d * 0.6], book);
        }
    }
}

fn tree(b: &mut Builder, [w, h, _]: [f32; 3], paint: Paint) {
    b.cylinder([0.0; 3], (w * 0.08).clamp(0.08, 0.2), h * 0.6, Material::Flat(TRUNK));
    let r = w * 0.34;
    b.sphere([0.0, h - r, 0.0], r, paint.lighter(0.08));
    b.sphere([w * 0.2, h - r * 1.7, w * 0.06], r * 0.86, paint);
    b.sphere([-w * 0.2, h - r * 1.8, w * 0.04], r * 0.84, paint.darker(0.08));
    b.sphere([w * 0.02, h - r * 1.75, -w * 0.2], r * 0.84, paint.darker(0.04));
}
