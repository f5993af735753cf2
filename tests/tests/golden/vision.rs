//! A tiny random vision tokenizer: latents, codes, code vectors, decoded values and pixels.

use candle_core::{Device, Tensor};
use rhea_nn::kernels::Unit;
use rhea_nn::vision::{Units, VisionConfig, VisionNet, VisionTokenizer};
use rhea_picture::Picture;
use serde_json::Value;

use crate::fixtures::{Tensors, group, json};

const TOLERANCE: f32 = 1e-3;
const EXACT: Units = Units { encoder: Unit::F32, decoder: Unit::F32 };

/// `(1, c, y, x)` of the reference to `(y, x, c)`.
fn channels_last(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let (c, area) = (shape[1], shape[2] * shape[3]);
    (0..area).flat_map(|i| (0..c).map(move |channel| values[channel * area + i])).collect()
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[track_caller]
fn assert_near(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    let worst = difference(got, want);
    assert!(worst <= tolerance, "{what}: largest difference {worst}, allowed are {tolerance}");
}

/// How much the encoder's output moves when the last bit of its inputs does: what any other order of adding up may change.
/// The picture of a single cell has groups of two nearly equal values, whose normalisation divides by their difference.
fn unrest(net: &VisionNet, input: &[f32], (y, x): (usize, usize), exact: &[f32]) -> f32 {
    let tries = (1..6_usize).map(|seed| {
        let shaken = input.iter().zip(1_usize..).map(|(v, i)| {
            let up = (i * 2_654_435_761 * seed) >> 7 & 1 == 1;
            f32::from_bits(if up { v.to_bits() + 1 } else { v.to_bits() - u32::from(*v != 0.0) })
        });
        let shaken = Tensor::from_vec(shaken.collect::<Vec<f32>>(), (1, y, x, 3), &Device::Cpu).unwrap();
        let moved = net.features(&shaken).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        difference(&moved, exact)
    });
    tries.fold(0.0, f32::max)
}

#[test]
fn golden_vision_tokenizer() {
    let dir = group("vision_tokenizer");
    let tokenizer = VisionTokenizer::open_for(&dir, EXACT).unwrap();
    let cases = Tensors::open(&dir.join("cases.safetensors"));
    let described: Value = json(&dir.join("cases.json"));
    let described = described.as_array().unwrap();
    for case in 0..described.len() {
        let name = |part: &str| format!("case{case}.{part}");
        let get = |part: &str| channels_last(&cases.f32(&name(part)), &cases.shape(&name(part)));
        let shape = cases.shape(&name("image_u8"));
        let picture = Picture { width: shape[1], height: shape[0], rgb: cases.bytes(&name("image_u8")) };
        let x = Tensor::from_vec(get("input"), (1, shape[0], shape[1], 3), &Device::Cpu).unwrap();
        let net = tokenizer.net();
        let flat = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let features = flat(net.features(&x).unwrap());
        let unrest = unrest(net, &get("input"), (shape[0], shape[1]), &features);
        let off = difference(&features, &get("encoder_out"));
        println!("  picture {case}: encoder {off:.1e} off, {unrest:.1e} by the last bit of the input");
        let tolerance = TOLERANCE.max(4.0 * unrest);
        assert_near(&features, &get("encoder_out"), tolerance, "encoder");
        assert_near(&flat(net.encode(&x).unwrap()), &get("latent_quant_conv"), tolerance, "latents");
        let got = tokenizer.encode_picture(&picture).unwrap();
        let want: Vec<u32> = cases.i64(&name("codes")).iter().map(|c| *c as u32).collect();
        assert_eq!(vec![got.rows, got.cols], cases.shape(&name("codes")));
        if unrest <= TOLERANCE {
            assert_eq!(got.codes, want, "codes");
        } else if got.codes != want {
            println!("  picture {case}: codes {:?} instead of {want:?}, undecided by the last bit", got.codes);
        }
        let dim = net.config().embed_dim;
        let vectors: Vec<f32> =
            want.iter().flat_map(|c| &tokenizer.codebook()[*c as usize * dim..][..dim]).copied().collect();
        assert_near(&vectors, &get("quant"), 0.0, "code vectors");
        let z = Tensor::from_vec(vectors, (1, got.rows, got.cols, dim), &Device::Cpu).unwrap();
        assert_near(&flat(net.decode(&z, None).unwrap()), &get("decoded"), TOLERANCE, "decoded");
        let drawn = tokenizer.decode_picture(&want, got.rows, got.cols).unwrap();
        let pixels = cases.bytes(&name("decoded_u8"));
        let off = drawn.rgb.iter().zip(&pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!((drawn.width, drawn.height, drawn.rgb.len()), (shape[1], shape[0], pixels.len()));
        assert!(off <= Some(1), "pixels {off:?} off");
    }
    let shape = cases.shape("random_codes.codes");
    let codes: Vec<u32> = cases.i64("random_codes.codes").iter().map(|c| *c as u32).collect();
    let drawn = tokenizer.decode_picture(&codes, shape[0], shape[1]).unwrap();
    let want = channels_last(&cases.f32("random_codes.decoded"), &cases.shape("random_codes.decoded"));
    let off = drawn.rgb.iter().zip(&want).map(|(a, b)| a.abs_diff(((b + 1.0) * 127.5).clamp(0.0, 255.0) as u8)).max();
    assert!(off <= Some(1), "{off:?}");
    println!("golden vision tokenizer: {} pictures and 1 grid of random codes", described.len());
}

#[test]
fn golden_vision_settings_in_both_forms() {
    let dir = group("vision_tokenizer");
    let flat = VisionConfig::open_folder(&dir).unwrap();
    assert_eq!(flat, VisionConfig::open(&dir.join("ibq_config_yaml_equivalent.json")).unwrap());
    let other = tempfile::tempdir().unwrap();
    let yaml = "n_embed: 128\nembed_dim: 256\nddconfig:\n  double_z: False\n  z_channels: 24\n  resolution: 256\n  \
                in_channels: 3\n  out_ch: 3\n  ch: 32\n  ch_mult:\n  - 1\n  - 1\n  - 1\n  - 2\n  - 2\n  \
                num_res_blocks: 1\n  attn_resolutions: [16]\n  dropout: 0.0\n";
    std::fs::write(other.path().join("config.yaml"), yaml).unwrap();
    assert_eq!(flat, VisionConfig::open_folder(other.path()).unwrap());
    std::fs::write(other.path().join("config.json"), r#"{"double_z": true}"#).unwrap();
    let error = VisionConfig::open_folder(other.path()).unwrap_err().to_string();
    assert!(error.contains("double_z is true; allowed is false"), "{error}");
    println!("golden vision settings: 3 forms");
}

/// With the decoder on the machine's fast unit, pictures differ by what the eye does not see; codes not at all.
#[test]
fn golden_vision_on_the_fast_unit() {
    let dir = group("vision_tokenizer");
    let tokenizer = VisionTokenizer::open_for(&dir, Units::exact_codes()).unwrap();
    let cases = Tensors::open(&dir.join("cases.safetensors"));
    let shape = cases.shape("case0.image_u8");
    let picture = Picture { width: shape[1], height: shape[0], rgb: cases.bytes("case0.image_u8") };
    let got = tokenizer.encode_picture(&picture).unwrap();
    assert!(got.codes.iter().zip(cases.i64("case0.codes")).all(|(g, w)| i64::from(*g) == w));
    let drawn = tokenizer.decode_picture(&got.codes, got.rows, got.cols).unwrap();
    let pixels = cases.bytes("case0.decoded_u8");
    let squares = drawn.rgb.iter().zip(&pixels).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / pixels.len() as f64;
    println!("golden vision, decoder on {}: {:.2} levels rms", Units::exact_codes().decoder.name(), mean.sqrt());
    assert!(mean.sqrt() < 3.0);
}
