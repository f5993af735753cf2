//! A record as one HTML page: pictures are inside it, and it asks for nothing from anywhere.

use crate::story::{ImageMeta, Story};

/// Light and dark, as the reader's system likes it.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:17px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
img{max-width:100%;height:auto;border-radius:6px;display:block;margin:1rem 0}\
p,summary{white-space:pre-wrap;overflow-wrap:anywhere}\
details{opacity:.75;margin:1rem 0}\
figure{margin:0}";

/// The page. Everything from the record is shown as text or as a picture; nothing of it can run.
#[must_use]
pub fn html_page(story: &Story) -> String {
    let title = if story.question.is_empty() { "Story" } else { story.question.as_str() };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n<style>{STYLE}</style>\n",
        escaped(title)
    );
    page.push_str(&format!("<h1>{}</h1>\n", escaped(title)));
    for (number, meta) in story.reference_images.iter().enumerate() {
        push_picture(&mut page, meta, &format!("Reference picture {}", number + 1));
    }
    push_thoughts(&mut page, "Plan", &story.summary);
    let mut number = 0;
    for segment in story.clips.iter().flat_map(|clip| &clip.segments) {
        if !segment.asr.is_empty() {
            page.push_str(&format!("<p>{}</p>\n", escaped(&segment.asr)));
        }
        for meta in &segment.images {
            push_thoughts(&mut page, "Thoughts", &meta.chain_of_thought);
            number += 1;
            push_picture(&mut page, meta, &format!("Picture {number}"));
        }
    }
    page.push_str("</html>\n");
    page
}

fn push_thoughts(page: &mut String, title: &str, text: &str) {
    if !text.is_empty() {
        page.push_str(&format!("<details><summary>{title}</summary><p>{}</p></details>\n", escaped(text)));
    }
}

fn push_picture(page: &mut String, meta: &ImageMeta, title: &str) {
    let Some(image) = meta.image.as_ref().filter(|image| !image.image_data.is_empty()) else {
        return;
    };
    let kind = kind_of(&image.image_data);
    let alt = if meta.caption.is_empty() { title } else { meta.caption.as_str() };
    let data = base64::encode(&image.image_data);
    page.push_str(&format!("<figure><img alt=\"{}\" src=\"data:{kind};base64,{data}\"></figure>\n", escaped(alt)));
}

/// The kind of a picture file by its first bytes; what a record says of it may be wrong.
fn kind_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xd8, ..] => "image/jpeg",
        [b'R', b'I', b'F', b'F', ..] => "image/webp",
        [b'B', b'M', ..] => "image/bmp",
        _ => "image/png",
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
