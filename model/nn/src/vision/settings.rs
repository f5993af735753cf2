//! Settings files of vision tokenizers: JSON, or the part of YAML that published settings use.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::NnError;

/// Bytes of a settings file.
const MAX_BYTES: u64 = 1 << 20;

/// The content of a settings file; `.yaml` and `.yml` are YAML, all others JSON.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>, NnError> {
    let failed = |source| NnError::File { doing: "reading", path: path.into(), source };
    let wrong = |what: String| NnError::Config { path: path.into(), what };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_BYTES {
        return Err(wrong(format!("{size} bytes; up to {MAX_BYTES} are allowed")));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    match path.extension().and_then(|e| e.to_str()) {
        Some("yaml" | "yml") => yaml(&text).map_err(wrong),
        _ => serde_json::from_str(&text).map_err(|e| wrong(e.to_string())),
    }
}

/// Mappings by indentation, scalars, and lists of scalars in either form. Anything else is refused by its line.
fn yaml(text: &str) -> Result<Map<String, Value>, String> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split(" #").next().unwrap_or_default().trim_end();
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with('#') || content == "---" {
            continue;
        }
        if content.starts_with('\t') {
            return Err(format!("line {number} is indented by a tab"));
        }
        lines.push(Line { number, indent: line.len() - content.len(), content });
    }
    let mut rest = &lines[..];
    let map = mapping(&mut rest, lines.first().map_or(0, |line| line.indent))?;
    match rest.first() {
        Some(line) => Err(line.odd()),
        None => Ok(map),
    }
}

#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    indent: usize,
    content: &'a str,
}

impl Line<'_> {
    fn odd(&self) -> String {
        format!("line {} is not understood: {:?}", self.number, self.content)
    }
}

fn mapping(lines: &mut &[Line<'_>], indent: usize) -> Result<Map<String, Value>, String> {
    let mut map = Map::new();
    while let Some((line, rest)) = lines.split_first() {
        if line.indent != indent {
            break;
        }
        let (key, value) = line.content.split_once(':').ok_or_else(|| line.odd())?;
        *lines = rest;
        let value = match (value.trim(), rest.first()) {
            ("", Some(next)) if next.content.starts_with("- ") && next.indent >= indent => list(lines, next.indent)?,
            ("", Some(next)) if next.indent > indent => mapping(lines, next.indent)?.into(),
            (value, _) => scalar_or_list(value, line)?,
        };
        map.insert(key.trim().trim_matches(['"', '\'']).to_owned(), value);
    }
    Ok(map)
}

fn list(lines: &mut &[Line<'_>], indent: usize) -> Result<Value, String> {
    let mut values = Vec::new();
    while let Some((line, rest)) = lines.split_first() {
        let Some(value) = line.content.strip_prefix("- ").filter(|_| line.indent == indent) else { break };
        values.push(scalar_or_list(value.trim(), line)?);
        *lines = rest;
    }
    Ok(values.into())
}

fn scalar_or_list(text: &str, line: &Line<'_>) -> Result<Value, String> {
    if let Some(inside) = text.strip_prefix('[') {
        let inside = inside.strip_suffix(']').ok_or_else(|| line.odd())?;
        return Ok(inside.split(',').map(str::trim).filter(|part| !part.is_empty()).map(scalar).collect());
    }
    if text.starts_with(['{', '&', '*', '|', '>', '!']) {
        return Err(line.odd());
    }
    Ok(scalar(text))
}

fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "True" | "true" => true.into(),
        "False" | "false" => false.into(),
        // Numbers are written as in JSON; what is none is text.
        _ => serde_json::from_str::<serde_json::Number>(text)
            .map_or_else(|_| text.trim_matches(['"', '\'']).into(), Value::Number),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn published_forms_are_understood() {
        let text = "# IBQ\nembed_dim: 256\nn_embed: 131072   # codes\nbeta: 0.25\nddconfig:\n  double_z: False\n  ch: 256\n  \
                    ch_mult: [1, 1, 2, 2, 4]\n  attn_resolutions:\n  - 16\n  dropout: 0.0\nname: 'a b'\nnothing:\n";
        let want = json!({
            "embed_dim": 256, "n_embed": 131_072, "beta": 0.25, "name": "a b", "nothing": null,
            "ddconfig": { "double_z": false, "ch": 256, "ch_mult": [1, 1, 2, 2, 4], "attn_resolutions": [16], "dropout": 0.0 },
        });
        assert_eq!(Value::from(yaml(text).unwrap()), want);
        for (text, line) in
            [("a: 1\n  b: 2\n", "line 2"), ("a\n", "line 1"), ("a: {b: 1}\n", "line 1"), ("a: [1\n", "line 1")]
        {
            let error = yaml(text).unwrap_err();
            assert!(error.contains(line), "{text:?}: {error}");
        }
    }
}
