//! Records from outside, and records as folders.
#![allow(clippy::unwrap_used, reason = "tests")]

use rhea_picture::{Picture, picture_from_bytes};
use rhea_record::limits::MAX_PARTS;
use rhea_record::{AnswerFolder, RecordError, Story, StoryBuilder, export, html_page, viewer_files};

fn story() -> Story {
    let mut builder = StoryBuilder::new("A <b>fox</b> & \"friends\"");
    builder.reference_image(&Picture::filled(3, 2, [1, 2, 3])).unwrap();
    builder.global_thought("plan");
    builder.text("one\ntwo");
    builder.picture_thought("why");
    builder.picture(&Picture::filled(4, 4, [200, 100, 0])).unwrap();
    builder.finish()
}

#[test]
fn a_record_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pb");
    story().save(&path).unwrap();
    assert_eq!(Story::load(&path).unwrap(), story());
    assert!(Story::load(&folder.path().join("b.pb")).unwrap_err().to_string().contains("b.pb"));
}

#[test]
fn damaged_records_are_refused_or_read_but_never_kill() {
    let whole = story().encode();
    for length in 0..whole.len() {
        let _either = Story::decode(&whole[..length]);
    }
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            if let Ok(story) = Story::decode(&damaged) {
                assert_eq!(Story::decode(&story.encode()).unwrap(), story);
            }
        }
    }
    let says = |bytes: &[u8]| Story::decode(bytes).unwrap_err().to_string();
    // A question longer than the file; a tag without a value; an endless number; field number 0; text that is none.
    assert!(says(&[0x62, 0xff, 0xff, 0xff, 0x7f, 1]).contains("beyond the end at byte 5"), "{}", says(&[0x62, 0x7f]));
    assert!(says(&[0x62]).contains("beyond the end"));
    assert!(says(&[0xff; 11]).contains("does not end"));
    assert!(says(&[0x02, 0x00]).contains("field number"));
    assert!(says(&[0x62, 1, 0xff]).contains("UTF-8"));
    assert!(says(&[0x60, 1]).contains("wrong kind"));
    assert_eq!(Story::decode(&[0xf8, 0x3f, 1, 0x62, 1, b'q']).unwrap().question, "q", "unknown fields are passed over");
}

#[test]
fn many_tiny_parts_are_refused() {
    let clips = [0x12, 0].repeat(MAX_PARTS);
    assert_eq!(Story::decode(&clips).unwrap().clips.len(), MAX_PARTS);
    assert!(matches!(Story::decode(&[0x12, 0].repeat(MAX_PARTS + 1)), Err(RecordError::Parts)));
}

#[test]
fn a_folder_has_the_files_of_the_viewer_and_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/out");
    assert_eq!(export(&story(), &out).unwrap(), 7);
    let read = |name: &str| std::fs::read(out.join(name)).unwrap();
    assert_eq!(read("001_text.txt"), b"one\ntwo\n");
    let picture = picture_from_bytes(&read("001_00_image.png"), "").unwrap();
    assert_eq!(picture, Picture::filled(4, 4, [200, 100, 0]));
    let page = String::from_utf8(read("index.html")).unwrap();
    assert_eq!(page, html_page(&story()));
    assert!(page.contains("A &lt;b&gt;fox&lt;/b&gt; &amp; &quot;friends&quot;") && !page.contains("<b>"));
    assert_eq!(page.matches("src=\"data:image/png;base64,").count(), 2);
    assert!(!page.contains("http://") && !page.contains("https://"), "it asks nobody for anything");
    let error = export(&story(), &out.join("001_text.txt")).unwrap_err().to_string();
    assert!(error.contains("001_text.txt"), "{error}");
}

#[test]
fn an_answer_is_on_disk_part_by_part() {
    let folder = tempfile::tempdir().unwrap();
    let names = || {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let picture = Picture::filled(4, 4, [9; 3]);
    let mut answer = AnswerFolder::create(folder.path(), "q").unwrap();
    assert_eq!(names(), ["000_question.txt"]);
    answer.global_thought("plan").unwrap();
    answer.text("one").unwrap();
    answer.picture_thought("why").unwrap();
    let before = ["000_global_cot.txt", "000_question.txt", "001_00_image_cot.txt", "001_text.txt"];
    assert_eq!(names(), before, "no empty file while the picture is awaited");
    answer.picture(&picture).unwrap();
    assert_eq!(names().len(), 5);
    answer.picture_thought("never drawn").unwrap();
    let record = answer.finish("answer").unwrap();
    let story = Story::load(&record).unwrap();
    let mut want: Vec<String> = viewer_files(&story).into_iter().map(|(name, _)| name).collect();
    want.extend(["answer.pb", "index.html"].map(str::to_owned));
    want.sort();
    assert_eq!(names(), want, "thoughts that are not in the record have no file either");
    for (name, content) in viewer_files(&story) {
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), *content);
    }
}
