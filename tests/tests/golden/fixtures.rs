//! Where the golden numbers are, and how they are read.

use std::path::{Path, PathBuf};

use rhea_tokens::TextTokenizer;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::de::DeserializeOwned;

/// Visual codes of Emu3.5.
const VISUAL_CODES: u32 = 131_072;

/// The folder of a group; `RHEA_GOLDEN` names another folder of the same layout.
pub fn group(name: &str) -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    std::env::var_os("RHEA_GOLDEN").map_or_else(own, PathBuf::from).join(name)
}

/// The folder of the published text vocabulary, if it is at hand; otherwise one line says what was skipped.
pub fn tokenizer_dir(skipped: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference/tokenizer");
    let dir = std::env::var_os("RHEA_EMU_TOKENIZER").map_or_else(beside, PathBuf::from);
    if dir.join("emu3.tiktoken").is_file() {
        return Some(dir);
    }
    eprintln!("skipped: {skipped} needs the published vocabulary; RHEA_EMU_TOKENIZER names its folder");
    None
}

/// The published text tokenizer, if it is at hand.
pub fn tokenizer(skipped: &str) -> Option<TextTokenizer> {
    tokenizer_dir(skipped).map(|dir| TextTokenizer::open(&dir, VISUAL_CODES).unwrap())
}

/// One line for a group that agrees: how many cases of what.
pub fn report(group: &str, counts: &[(usize, &str)]) {
    assert!(counts.iter().any(|&(count, _)| count > 0), "{group} has no cases");
    let counts: Vec<String> = counts.iter().map(|(count, what)| format!("{count} {what}")).collect();
    println!("golden {group}: {}", counts.join(", "));
}

/// A digest as the reference writes it.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A JSON file.
pub fn json<T: DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The bytes of a safetensors file, with its tensors by name.
pub struct Tensors(Vec<u8>);

impl Tensors {
    pub fn open(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    fn view<T>(&self, name: &str, read: impl Fn(&TensorView<'_>) -> T) -> T {
        read(&SafeTensors::deserialize(&self.0).unwrap().tensor(name).unwrap_or_else(|e| panic!("{name}: {e}")))
    }

    pub fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).is_ok()
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.view(name, |view| view.shape().to_vec())
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.view(name, |view| view.data().to_vec())
    }

    pub fn f32(&self, name: &str) -> Vec<f32> {
        let bytes = self.bytes(name);
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    pub fn i64(&self, name: &str) -> Vec<i64> {
        let bytes = self.bytes(name);
        bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect()
    }
}
