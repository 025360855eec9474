//! The two traits that every inference engine meets, their errors, and the choice among engines.
//!
//! An [`Engine`] turns the bytes of a model file into a [`Model`]; a model answers from any thread. An engine whose
//! sessions need `&mut self` keeps a pool of them inside its model. [`Engines`] tries the engines in order and takes the
//! first that can load the model, so that a new engine is one more entry in a list and no caller changes.

use std::fmt;
use std::sync::Arc;

use crate::infer::signature::Signature;
use crate::infer::tensor::Tensor;

/// Makes models from bytes.
pub trait Engine: Send + Sync {
    /// Returns the engine's stable name, for messages and for the choice in a deployment.
    fn name(&self) -> &'static str;

    /// Reads and checks a model file.
    ///
    /// # Errors
    /// [`ErrorCode::UnsupportedOps`], [`ErrorCode::UnsupportedOpset`] or [`ErrorCode::UnsupportedType`] when another
    /// engine may still be able to load it; any other code when the file itself is at fault.
    fn load(&self, bytes: &[u8], options: &LoadOptions) -> Result<Arc<dyn Model>, EngineError>;
}

/// A model that is ready to answer.
pub trait Model: Send + Sync {
    /// Returns the name of the engine that loaded it.
    fn engine(&self) -> &'static str;

    /// Returns its inputs and outputs.
    fn signature(&self) -> &Signature;

    /// Returns the memory that the model holds, in bytes, as far as the engine knows it.
    fn size_bytes(&self) -> usize;

    /// Computes outputs from named inputs. `outputs` names what is wanted, in the order of the answer; empty means all
    /// outputs in the order of the signature.
    ///
    /// # Errors
    /// A code whose [`ErrorCode::is_callers_fault`] is true when the tensors do not fit the signature.
    fn run(&self, inputs: &[(&str, &Tensor)], outputs: &[&str]) -> Result<Vec<Tensor>, EngineError>;
}

/// What an engine should know besides the bytes.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Bounds against hostile files and requests.
    pub limits: Limits,
}

/// Bounds that a model file and each run keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the file, in bytes.
    pub max_model_bytes: usize,
    /// Operator calls in the graph.
    pub max_nodes: usize,
    /// Elements of one tensor.
    pub max_tensor_elements: usize,
    /// Bytes of the tensors that are alive at one moment of a run.
    pub max_live_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_model_bytes: 1 << 30, max_nodes: 100_000, max_tensor_elements: 1 << 26, max_live_bytes: 1 << 30 }
    }
}

/// Why a model could not be loaded or could not answer. The code is stable, the message is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    /// The cause.
    pub code: ErrorCode,
    /// One sentence without a full stop.
    pub message: String,
}

/// The causes of an [`EngineError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The bytes are not a model, or the model contradicts itself.
    InvalidModel,
    /// The model is larger than the configured bounds.
    ModelTooLarge,
    /// The model uses operators that the engine lacks; the message names them.
    UnsupportedOps,
    /// The model was written for a version of an operator set that the engine does not know.
    UnsupportedOpset,
    /// The model uses an element type that the engine does not know.
    UnsupportedType,
    /// The request brings a tensor that the model does not take.
    UnknownInput,
    /// The request brings the same input twice.
    DuplicateInput,
    /// The request lacks an input.
    MissingInput,
    /// The request asks for an output that the model does not have.
    UnknownOutput,
    /// An input has another element type than the model wants.
    WrongType,
    /// An input has another shape than the model wants.
    WrongShape,
    /// An input holds a value that the model cannot take.
    WrongValue,
    /// The answer would need more memory than the configured bounds allow.
    RequestTooLarge,
    /// The model failed on an input that fits its signature.
    RunFailed,
}

impl ErrorCode {
    /// Returns the stable name of the cause.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidModel => "invalid_model",
            Self::ModelTooLarge => "model_too_large",
            Self::UnsupportedOps => "unsupported_ops",
            Self::UnsupportedOpset => "unsupported_opset",
            Self::UnsupportedType => "unsupported_type",
            Self::UnknownInput => "unknown_input",
            Self::DuplicateInput => "duplicate_input",
            Self::MissingInput => "missing_input",
            Self::UnknownOutput => "unknown_output",
            Self::WrongType => "wrong_type",
            Self::WrongShape => "wrong_shape",
            Self::WrongValue => "wrong_value",
            Self::RequestTooLarge => "request_too_large",
            Self::RunFailed => "run_failed",
        }
    }

    /// Tells whether a request, and not the model or the engine, is at fault.
    pub fn is_callers_fault(self) -> bool {
        matches!(
            self,
            Self::UnknownInput
                | Self::DuplicateInput
                | Self::MissingInput
                | Self::UnknownOutput
                | Self::WrongType
                | Self::WrongShape
                | Self::WrongValue
                | Self::RequestTooLarge
        )
    }

    /// Tells whether another engine may be able to load the model.
    pub fn is_engines_limit(self) -> bool {
        matches!(self, Self::UnsupportedOps | Self::UnsupportedOpset | Self::UnsupportedType)
    }
}

impl EngineError {
    /// Makes an error.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for EngineError {}

/// The engines of this process, in order of preference.
#[derive(Clone)]
pub struct Engines {
    engines: Vec<Arc<dyn Engine>>,
}

impl Default for Engines {
    /// Holds the native engine alone.
    fn default() -> Self {
        Self::new(vec![Arc::new(crate::infer::native::NativeEngine)])
    }
}

impl Engines {
    /// Makes a list of engines; the first that can load a model gets it.
    pub fn new(engines: Vec<Arc<dyn Engine>>) -> Self {
        Self { engines }
    }

    /// Returns the names of the engines, in order of preference.
    pub fn names(&self) -> Vec<&'static str> {
        self.engines.iter().map(|engine| engine.name()).collect()
    }

    /// Loads a model with the first engine that can, or with the engine called `only`.
    ///
    /// # Errors
    /// The refusal of each engine that was asked, with the code of the first; a fault of the file itself ends the search.
    pub fn load(&self, bytes: &[u8], only: Option<&str>, options: &LoadOptions) -> Result<Arc<dyn Model>, EngineError> {
        let mut refusals: Vec<(&'static str, EngineError)> = Vec::new();
        for engine in self.engines.iter().filter(|engine| only.is_none_or(|name| name == engine.name())) {
            match engine.load(bytes, options) {
                Ok(model) => return Ok(model),
                Err(error) if error.code.is_engines_limit() => refusals.push((engine.name(), error)),
                Err(error) => return Err(error),
            }
        }
        match refusals.len() {
            0 => Err(EngineError::new(ErrorCode::UnsupportedOps, format!("no engine called {} here", only.unwrap_or("anything")))),
            1 => Err(refusals.remove(0).1),
            _ => {
                let texts: Vec<String> = refusals.iter().map(|(name, error)| format!("{name}: {}", error.message)).collect();
                Err(EngineError::new(refusals[0].1.code, texts.join("; ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Refuses(&'static str, ErrorCode);

    impl Engine for Refuses {
        fn name(&self) -> &'static str {
            self.0
        }
        fn load(&self, _: &[u8], _: &LoadOptions) -> Result<Arc<dyn Model>, EngineError> {
            Err(EngineError::new(self.1, "Conv, LSTM"))
        }
    }

    fn refusal(engines: Vec<Arc<dyn Engine>>, only: Option<&str>) -> EngineError {
        match Engines::new(engines).load(b"", only, &LoadOptions::default()) {
            Ok(_) => panic!("nothing here loads"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_refusal_names_every_engine_that_was_asked() {
        let engines: Vec<Arc<dyn Engine>> =
            vec![Arc::new(Refuses("one", ErrorCode::UnsupportedOps)), Arc::new(Refuses("two", ErrorCode::UnsupportedType))];
        let error = refusal(engines.clone(), None);
        assert_eq!(error.to_string(), "unsupported_ops: one: Conv, LSTM; two: Conv, LSTM");
        assert_eq!(refusal(engines.clone(), Some("two")).to_string(), "unsupported_type: Conv, LSTM");
        assert_eq!(refusal(engines, Some("three")).message, "no engine called three here");
    }

    #[test]
    fn a_broken_file_ends_the_search() {
        let engines: Vec<Arc<dyn Engine>> =
            vec![Arc::new(Refuses("one", ErrorCode::InvalidModel)), Arc::new(Refuses("two", ErrorCode::UnsupportedOps))];
        assert_eq!(refusal(engines, None).code, ErrorCode::InvalidModel);
        assert!(!ErrorCode::InvalidModel.is_callers_fault());
        assert!(ErrorCode::WrongShape.is_callers_fault());
    }
}
