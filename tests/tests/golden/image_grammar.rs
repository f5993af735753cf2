//! Codes to ids and back, headers to ids and back.

use rhea_tokens::{Aspect, Grid, Picture, encode_picture, parse_picture};
use serde::Deserialize;

use crate::fixtures::{group, json, report, sha256, tokenizer};
use crate::vocabulary::emu35;

#[derive(Deserialize)]
struct Cases {
    images: Vec<Image>,
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Image {
    codes: Vec<Vec<u32>>,
    ids: Vec<u32>,
    string: Option<String>,
    string_sha256: String,
}

#[derive(Deserialize)]
struct Header {
    ratio: Option<String>,
    hw: String,
    ids: Vec<u32>,
}

#[test]
fn golden_image_grammar() {
    let (t, v) = (tokenizer("the text of image_grammar"), &emu35());
    let cases: Cases = json(&group("image_grammar").join("grammar.json"));
    for image in &cases.images {
        let (grid, codes) = (Grid::new(image.codes.len(), image.codes[0].len()).unwrap(), image.codes.concat());
        assert_eq!(encode_picture(v, grid, &codes).unwrap(), image.ids);
        assert_eq!(parse_picture(v, &image.ids), Ok(Picture { grid, codes }));
        assert_eq!(Grid::of_last_picture(v, &image.ids), Some(grid));
        let Some(t) = &t else { continue };
        let text = t.decode(&image.ids);
        assert_eq!(sha256(text.as_bytes()), image.string_sha256);
        assert_eq!(t.encode_control(&text).unwrap(), image.ids);
        assert!(image.string.as_ref().is_none_or(|string| *string == text));
    }
    for header in &cases.headers {
        let (rows, cols) = header.hw.split_once('*').unwrap();
        let grid = Grid::new(rows.parse().unwrap(), cols.parse().unwrap()).unwrap();
        let ids = grid.header(v);
        assert_eq!(ids[1..ids.len() - 1], header.ids);
        assert_eq!(Grid::from_header(v, &header.ids), Some(grid));
        for name in header.ratio.iter().filter(|ratio| ratio.contains(':')).chain([&header.hw]) {
            assert_eq!(name.parse::<Aspect>().unwrap(), Aspect::Sized(grid), "{name}");
        }
    }
    report("image_grammar", &[(cases.images.len(), "pictures"), (cases.headers.len(), "headers")]);
}
