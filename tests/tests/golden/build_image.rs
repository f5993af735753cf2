//! Reference pictures as they stand in a prompt: resized, encoded, framed.

use rhea_nn::vision::{Units, VisionTokenizer};
use rhea_picture::Picture;
use rhea_tokens::{Grid, encode_picture};
use serde::Deserialize;

use crate::fixtures::{Tensors, group, json, report};
use crate::vocabulary::emu35;

#[derive(Deserialize)]
struct Case {
    case: usize,
    in_hw: [usize; 2],
    image_area: usize,
    string: String,
    ids: Vec<u32>,
}

#[test]
fn golden_build_image() {
    let folder = group("build_image");
    let cases: Vec<Case> = json(&folder.join("cases.json"));
    let tensors = Tensors::open(&folder.join("images.safetensors"));
    let vision = VisionTokenizer::open_for(&group("vision_tokenizer"), Units::exact_codes()).unwrap();
    let vocabulary = emu35();
    for case in &cases {
        let rgb = tensors.bytes(&format!("case{}.image_u8", case.case));
        let picture = Picture { width: case.in_hw[1], height: case.in_hw[0], rgb };
        let found = vision.encode_picture(&picture.for_encoding(case.image_area).unwrap()).unwrap();
        let ids = encode_picture(&vocabulary, Grid::new(found.rows, found.cols).unwrap(), &found.codes).unwrap();
        assert_eq!(ids, case.ids, "case {}", case.case);
        let names: String =
            ids.iter().map(|&id| vocabulary.name_of(id).unwrap_or_else(|| digit(id).to_owned())).collect();
        assert_eq!(names, case.string, "case {}", case.case);
    }
    report("build_image", &[(cases.len(), "pictures")]);
}

/// The text entries that a header is made of.
fn digit(id: u32) -> &'static str {
    match id {
        9 => "*",
        _ => ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"][id as usize - 15],
    }
}
