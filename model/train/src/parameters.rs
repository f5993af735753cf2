//! Named training variables, created on first use with seeded values.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rhea_nn::NnError;
use rhea_nn::vision::{Init, Parameters};
use rhea_nn::weights::{Stored, Weights, save};

/// Variables by name. Convolution weights are held as `(out, side, side, in)` and written as `(out, in, side, side)`.
pub struct Trainable {
    seed: u64,
    start: Option<Weights>,
    vars: RefCell<BTreeMap<String, (Var, bool)>>,
}

impl Trainable {
    /// New variables from a seed, or, where `start` has them, from a weights file.
    #[must_use]
    pub fn new(seed: u64, start: Option<Weights>) -> Self {
        Self { seed, start, vars: RefCell::default() }
    }

    /// All variables in the order of their names.
    #[must_use]
    pub fn vars(&self) -> Vec<(String, Var)> {
        self.vars.borrow().iter().map(|(name, (var, _))| (name.clone(), var.clone())).collect()
    }

    /// Number of trained values.
    #[must_use]
    pub fn count(&self) -> usize {
        self.vars.borrow().values().map(|(v, _)| v.elem_count()).sum()
    }

    fn var(&self, name: &str, shape: &[usize], conv: bool, init: Init) -> Result<Tensor, NnError> {
        if let Some((var, _)) = self.vars.borrow().get(name) {
            return Ok(var.as_tensor().clone());
        }
        let tensor = match &self.start {
            Some(weights) if weights.shapes().contains_key(name) => {
                if conv {
                    let stored = [shape[0], shape[3], shape[1], shape[2]];
                    weights.tensor_f32(name, &stored)?.permute((0, 2, 3, 1))?.contiguous()?
                } else {
                    weights.tensor_f32(name, shape)?
                }
            }
            _ => Tensor::from_vec(initial(self.seed, name, shape.iter().product(), init), shape, &Device::Cpu)?,
        };
        let var = Var::from_tensor(&tensor)?;
        let tensor = var.as_tensor().clone();
        self.vars.borrow_mut().insert(name.to_owned(), (var, conv));
        Ok(tensor)
    }

    /// Writes all variables in the layout of published folders.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path, stored: Stored) -> Result<(), NnError> {
        let mut tensors = BTreeMap::new();
        for (name, (var, conv)) in self.vars.borrow().iter() {
            let tensor = if *conv { var.permute((0, 3, 1, 2))?.contiguous()? } else { var.as_tensor().clone() };
            tensors.insert(name.clone(), (tensor.dims().to_vec(), tensor.flatten_all()?.to_vec1::<f32>()?));
        }
        save(path, &tensors, stored)
    }
}

/// Seeded values of one variable; independent of the order in which variables are made.
fn initial(seed: u64, name: &str, n: usize, init: Init) -> Vec<f32> {
    let std = match init {
        Init::Zero => return vec![0.0; n],
        Init::One => return vec![1.0; n],
        Init::Normal(std) => std,
    };
    // FNV-1a of the name keeps variables apart.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ hash);
    (0..n)
        .map(|_| {
            // Box-Muller; 1 - u keeps the logarithm finite.
            let (u, v): (f32, f32) = (1.0 - rng.random::<f32>(), rng.random());
            std * (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
        })
        .collect()
}

impl Parameters for Trainable {
    fn conv(&self, name: &str, c_out: usize, c_in: usize, side: usize, init: Init) -> Result<Tensor, NnError> {
        self.var(name, &[c_out, side, side, c_in], true, init)
    }

    fn plain(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor, NnError> {
        self.var(name, shape, false, init)
    }

    fn frozen(&self) -> bool {
        false
    }
}
