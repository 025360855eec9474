//! The serving protocols: TensorFlow Serving's REST form and Open Inference V2. So far the wire codecs.

pub mod codec;
