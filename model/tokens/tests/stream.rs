//! Streams and what the reference implementation reads from them (its cases, with smaller code numbers).
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use rhea_tokens::{PictureFault, Segment, parse_stream};

const A: &str = "<|image start|>2*3<|image token|><|visual token 000055|><|visual token 000035|><|visual token 000038|><|extra_200|>\
                 <|visual token 000010|><|visual token 000033|><|visual token 000061|><|image end|>";
const B: &str = "<|image start|>3*2<|image token|><|visual token 000001|><|visual token 000028|><|extra_200|><|visual token 000062|>\
                 <|visual token 000005|><|extra_200|><|visual token 000012|><|visual token 000060|><|image end|>";

/// One word per segment: `T:text`, `G:thought`, `P:thought`, `I2x3:codes`.
fn read(stream: &str) -> (Vec<String>, Vec<PictureFault>) {
    let t = common::tokenizer();
    let parsed = parse_stream(&t, &t.encode_control(stream).unwrap());
    let show = |segment: &Segment| match segment {
        Segment::Text(text) => format!("T:{text}"),
        Segment::GlobalThought(text) => format!("G:{text}"),
        Segment::PictureThought(text) => format!("P:{text}"),
        Segment::Picture(p) => format!("I{}x{}:{:?}", p.grid.rows(), p.grid.cols(), p.codes),
    };
    (parsed.segments.iter().map(show).collect(), parsed.dropped)
}

#[test]
fn streams_are_read_as_the_reference_does() {
    let (a, b) = ("I2x3:[55, 35, 38, 10, 33, 61]", "I3x2:[1, 28, 62, 5, 12, 60]");
    let cut_a = &A[..A.len() - "<|visual token 000061|><|image end|>".len()];
    let cases: Vec<(String, Vec<&str>)> = vec![
        ("Just some text.<|extra_204|>".into(), vec!["T:Just some text."]),
        (format!("{A}<|extra_101|><|extra_204|>"), vec![a]),
        (
            format!(
                "<|extra_60|>A plan.\nSecond line.<|extra_61|>Step 1: begin.<|extra_50|>cot one<|extra_51|>{A}Step 2: go on.\
                 <|extra_50|>cot two<|extra_51|>{B}The end.<|extra_101|><|extra_204|>"
            ),
            vec![
                "G:A plan.\nSecond line.",
                "T:Step 1: begin.",
                "P:cot one",
                a,
                "T:Step 2: go on.",
                "P:cot two",
                b,
                "T:The end.",
            ],
        ),
        (format!("Intro\n\n{A}\n\nOutro"), vec!["T:Intro\n\n", a, "T:\n\nOutro"]),
        (format!("{A} \n {B}\n"), vec![a, b]),
        (format!("Before text {cut_a}"), vec![]),
        (format!("one{A}two{cut_a}"), vec!["T:one", a]),
        (format!("a<|extra_50|>never closed b{A}"), vec!["T:a<|extra_50|>never closed b", a]),
        (format!("<|extra_60|>plan without end {A} more"), vec!["T:<|extra_60|>plan without end ", a, "T: more"]),
        (format!("x{}y", A.replace("<|visual token 000061|>", "")), vec!["T:x", "T:y"]),
        (A.replace("2*3", "9*9"), vec![a]),
        ("pre<|extra_50|>c<|extra_51|>post".into(), vec!["T:pre", "P:c", "T:post"]),
        (format!("<|extra_50|>lost {A} too<|extra_51|>b"), vec![a, "T:b"]),
        ("a<|extra_100|>b<|extra_203|>c<|endoftext|>d".into(), vec!["T:a<|extra_100|>b<|extra_203|>c<|endoftext|>d"]),
        (A.replace("<|visual token 000055|>", "junk<|visual token 000055|><|image start|>"), vec![a]),
        (A.replace("<|image end|>", "<|extra_200|><|image end|>"), vec![a]),
        (String::new(), vec![]),
    ];
    for (stream, want) in cases {
        assert_eq!(read(&stream).0, want, "{stream}");
    }
}

#[test]
fn dropped_pictures_are_reported() {
    assert_eq!(read(&A.replace("<|image end|>", "")).1, [PictureFault::Unfinished]);
    let ragged = A.replace("<|visual token 000061|>", "");
    assert_eq!(read(&ragged).1, [PictureFault::Ragged { row: 1, got: 2, want: 3 }]);
    assert_eq!(read("<|image start|>1*1<|image end|>").1, [PictureFault::Empty]);
}

#[test]
fn many_open_spans_are_read_in_linear_time() {
    let t = common::tokenizer();
    let c = t.vocabulary().control();
    let ids: Vec<u32> = [c.boi, c.boc, c.bog].into_iter().cycle().take(300_000).collect();
    assert_eq!(parse_stream(&t, &ids).segments, []);
    let closed: Vec<u32> = [c.boc, c.eoc].into_iter().cycle().take(300_000).collect();
    assert_eq!(parse_stream(&t, &closed).segments.len(), 150_000);
}
