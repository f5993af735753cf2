//! Finished streams cut into text, thoughts and pictures.

use rhea_tokens::{Segment, parse_stream};
use serde::Deserialize;

use crate::fixtures::{group, json, report, tokenizer};

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    ids: Vec<u32>,
    segments: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    kind: String,
    text: Option<String>,
    width: Option<usize>,
    height: Option<usize>,
}

#[test]
fn golden_multimodal_decode() {
    let Some(t) = tokenizer("multimodal_decode") else { return };
    let cases: Vec<Case> = json(&group("multimodal_decode").join("cases.json"));
    let mut pictures = 0;
    for case in &cases {
        let name = &case.name;
        assert_eq!(t.encode_control(&case.text).unwrap(), case.ids, "{name}");
        assert_eq!(t.decode(&case.ids), case.text, "{name}");
        let segments = parse_stream(&t, &case.ids).segments;
        assert_eq!(segments.len(), case.segments.len(), "{name}");
        for (got, want) in segments.iter().zip(&case.segments) {
            let (kind, text) = match got {
                Segment::Text(text) => ("text", Some(text)),
                Segment::GlobalThought(text) => ("global_cot", Some(text)),
                Segment::PictureThought(text) => ("image_cot", Some(text)),
                Segment::Picture(picture) => {
                    let size = (Some(16 * picture.grid.cols()), Some(16 * picture.grid.rows()));
                    assert_eq!(size, (want.width, want.height), "{name}");
                    pictures += 1;
                    ("image", None)
                }
            };
            assert_eq!((kind, text), (want.kind.as_str(), want.text.as_ref()), "{name}");
        }
    }
    report("multimodal_decode", &[(cases.len(), "streams"), (pictures, "pictures in them")]);
}
