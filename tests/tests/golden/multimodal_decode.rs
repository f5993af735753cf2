//! Finished streams cut into text, thoughts and pictures.

use rhea_nn::kernels::Unit;
use rhea_nn::vision::{Units, VisionTokenizer};
use rhea_tokens::{Segment, parse_stream};
use serde::Deserialize;

use crate::fixtures::{Tensors, group, json, report, tokenizer};

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
    tensor: Option<String>,
    width: Option<usize>,
    height: Option<usize>,
}

#[test]
fn golden_multimodal_decode() {
    let Some(t) = tokenizer("multimodal_decode") else { return };
    let folder = group("multimodal_decode");
    let cases: Vec<Case> = json(&folder.join("cases.json"));
    let pixels = Tensors::open(&folder.join("images.safetensors"));
    let vision =
        VisionTokenizer::open_for(&group("vision_tokenizer"), Units { encoder: Unit::F32, decoder: Unit::F32 })
            .unwrap();
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
                Segment::Picture(found) => {
                    let picture = vision.decode_picture(&found.codes, found.grid.rows(), found.grid.cols()).unwrap();
                    assert_eq!((Some(picture.width), Some(picture.height)), (want.width, want.height), "{name}");
                    let want = pixels.bytes(want.tensor.as_ref().unwrap());
                    assert_eq!(picture.rgb.len(), want.len(), "{name}");
                    let off = picture.rgb.iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).max();
                    assert!(off <= Some(1), "{name}: a pixel is off by {off:?}");
                    pictures += 1;
                    ("image", None)
                }
            };
            assert_eq!((kind, text), (want.kind.as_str(), want.text.as_ref()), "{name}");
        }
    }
    report("multimodal_decode", &[(cases.len(), "streams"), (pictures, "pictures in them, every pixel")]);
}
