//! Sizes and pixels of pictures before they are encoded.

use rhea_picture::{Picture, encoding_size};
use serde::Deserialize;

use crate::fixtures::{Tensors, group, json, report};

#[derive(Deserialize)]
struct Size {
    width: usize,
    height: usize,
    area: usize,
    out: [usize; 2],
}

#[derive(Deserialize)]
struct Pixels {
    case: usize,
    in_hw: [usize; 2],
    area: usize,
    out_hw: [usize; 2],
}

#[test]
fn golden_image_resize() {
    let folder = group("image_resize");
    let sizes: Vec<Size> = json(&folder.join("sizes.json"));
    let mut refused = 0;
    for Size { width, height, area, out } in &sizes {
        let what = format!("{width} x {height} for {area}");
        if out.contains(&0) {
            let error = encoding_size(*width, *height, *area).unwrap_err().to_string();
            assert!(error.contains(&format!("{} x {} px", out[0], out[1])), "{what}: {error}");
            refused += 1;
        } else {
            assert_eq!(encoding_size(*width, *height, *area).unwrap(), (out[0], out[1]), "{what}");
        }
    }
    let pixels: Vec<Pixels> = json(&folder.join("pixels.json"));
    let tensors = Tensors::open(&folder.join("pixels.safetensors"));
    for Pixels { case, in_hw, area, out_hw } in &pixels {
        let rgb = tensors.bytes(&format!("case{case}.in_u8"));
        let got = Picture { width: in_hw[1], height: in_hw[0], rgb }.for_encoding(*area).unwrap();
        assert_eq!([got.height, got.width], *out_hw, "case {case}");
        assert!(got.rgb == tensors.bytes(&format!("case{case}.out_u8")), "pixels of case {case}");
    }
    report(
        "image_resize",
        &[(sizes.len() - refused, "sizes"), (refused, "refusals"), (pixels.len(), "pictures, every pixel")],
    );
}
