//! Records that the reference wrote, and records of the same answers written here.

use rhea_picture::{Picture, picture_from_bytes};
use rhea_record::{Clip, Image, ImageFormat, ImageMeta, Segment, Story, StoryBuilder, TimeStamp, viewer_files};
use serde::Deserialize;
use serde_json::{Map, Value, json as value};

use crate::fixtures::{group, json, report, sha256};

#[derive(Deserialize)]
struct Record {
    name: String,
    file: String,
    #[serde(default)]
    events: Option<Vec<(String, Value)>>,
    parsed: Value,
    vis_layout: Option<Map<String, Value>>,
}

/// A message as JSON with the field names of the format; fields that hold their default are left out.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let empty = |v: &Value| *v == value!("") || *v == value!([]) || *v == value!({}) || *v == value!(0) || v.is_null();
    let kept = fields.into_iter().filter(|(_, v)| !empty(v) && *v != value!(0.0) && *v != value!(false));
    Value::Object(kept.map(|(name, v)| (name.to_owned(), v)).collect())
}

fn bytes(bytes: &[u8]) -> Value {
    value!(base64::encode(bytes))
}

fn time(time: &Option<TimeStamp>) -> Value {
    time.map_or(Value::Null, |t| object([("start", value!(t.start)), ("end", value!(t.end))]))
}

fn image(image: &Image) -> Value {
    let format = match image.format {
        ImageFormat::Unknown => Value::Null,
        other => value!(format!("{other:?}").to_uppercase()),
    };
    let (width, height) = (value!(image.width), value!(image.height));
    let (data, path) = (bytes(&image.image_data), value!(image.image_path));
    object([("width", width), ("height", height), ("format", format), ("image_data", data), ("image_path", path)])
}

fn meta(meta: &ImageMeta) -> Value {
    let features: Map<String, Value> = meta.features.iter().map(|(name, f)| (name.clone(), bytes(f))).collect();
    object([
        ("image_id", value!(meta.image_id)),
        ("timestamp", time(&meta.timestamp)),
        ("caption", value!(meta.caption)),
        ("detail_caption", value!(meta.detail_caption)),
        ("features", Value::Object(features)),
        ("scores", value!(meta.scores)),
        ("chain_of_thought", value!(meta.chain_of_thought)),
        ("cot_translate", value!(meta.cot_translate)),
        ("image", meta.image.as_ref().map_or(Value::Null, image)),
        ("is_keyframe_status", value!(meta.is_keyframe_status)),
    ])
}

fn metas(list: &[ImageMeta]) -> Value {
    list.iter().map(meta).collect()
}

fn segment(segment: &Segment) -> Value {
    object([
        ("timestamp", time(&segment.timestamp)),
        ("asr", value!(segment.asr)),
        ("caption", value!(segment.caption)),
        ("asr_translate", value!(segment.asr_translate)),
        ("images", metas(&segment.images)),
    ])
}

fn clip(clip: &Clip) -> Value {
    object([
        ("clip_id", value!(clip.clip_id)),
        ("timestamp", time(&clip.timestamp)),
        ("story", value!(clip.story)),
        ("caption", value!(clip.caption)),
        ("segments", clip.segments.iter().map(segment).collect()),
    ])
}

fn story(story: &Story) -> Value {
    object([
        ("story_id", value!(story.story_id)),
        ("clips", story.clips.iter().map(clip).collect()),
        ("deprecated", value!(story.deprecated)),
        ("deprecate_reason", value!(story.deprecate_reason)),
        ("summary", value!(story.summary)),
        ("question", value!(story.question)),
        ("refined_summary", value!(story.refined_summary)),
        ("question_translate", value!(story.question_translate)),
        ("summary_translate", value!(story.summary_translate)),
        ("refined_summary_translate", value!(story.refined_summary_translate)),
        ("reference_images", metas(&story.reference_images)),
    ])
}

/// The record of the same answer, made here.
fn built(events: &[(String, Value)]) -> Story {
    let picture = |event: &Value| {
        let hex = event["rgb_hex"].as_str().unwrap();
        let rgb = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let side = |name: &str| event[name].as_u64().unwrap() as usize;
        Picture { width: side("width"), height: side("height"), rgb }
    };
    let question = events.iter().find(|(kind, _)| kind == "question").map_or("", |(_, text)| text.as_str().unwrap());
    let mut builder = StoryBuilder::new(question);
    for (kind, event) in events {
        let text = event.as_str().unwrap_or_default();
        match kind.as_str() {
            "question" => {}
            "global_cot" => builder.global_thought(text),
            "text" => builder.text(text),
            "image_cot" => builder.picture_thought(text),
            "image" => builder.picture(&picture(event)).unwrap(),
            "reference_image" => builder.reference_image(&picture(event)).unwrap(),
            other => panic!("an event of kind {other}"),
        }
    }
    builder.finish()
}

/// Replaces picture files by their pixels, which do not depend on the encoder. Returns the number of pictures.
fn decode_pictures(v: &mut Value) -> usize {
    match v {
        Value::Array(list) => list.iter_mut().map(decode_pictures).sum(),
        Value::Object(fields) => {
            let inner = fields.values_mut().map(decode_pictures).sum::<usize>();
            let Some(data) = fields.get_mut("image_data") else { return inner };
            let file = base64::decode(data.as_str().unwrap()).unwrap();
            let picture = picture_from_bytes(&file, "a picture of a record").unwrap();
            *data = value!([picture.width, picture.height, picture.rgb]);
            inner + 1
        }
        _ => 0,
    }
}

#[test]
fn golden_proto() {
    let folder = group("proto");
    let records: Vec<Record> = json(&folder.join("records.json"));
    let (mut written, mut layouts, mut pictures) = (0, 0, 0);
    for record in &records {
        let name = &record.name;
        let file = std::fs::read(folder.join(&record.file)).unwrap();
        let read = Story::decode(&file).unwrap();
        assert_eq!(story(&read), record.parsed, "{name} as read");
        assert_eq!(read.encode(), file, "{name} written again, byte for byte");
        if let Some(events) = &record.events {
            let (mut got, mut want) = (story(&built(events)), record.parsed.clone());
            pictures += decode_pictures(&mut got);
            decode_pictures(&mut want);
            assert_eq!(got, want, "{name} as written");
            written += 1;
        }
        if let Some(want) = &record.vis_layout {
            let files = viewer_files(&read);
            assert_eq!(files.len(), want.len(), "{name}");
            for (file, content) in &files {
                let want = want[file].as_str().unwrap();
                if let Some(digest) = want.strip_prefix("png:") {
                    assert_eq!(sha256(content), digest, "{name}: {file}");
                } else {
                    assert_eq!(std::str::from_utf8(content).unwrap(), want, "{name}: {file}");
                }
            }
            layouts += 1;
        }
    }
    report(
        "proto",
        &[(records.len(), "records read"), (written, "written"), (pictures, "pictures"), (layouts, "viewer layouts")],
    );
}
