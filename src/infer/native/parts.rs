//! How many pieces a file has, counted before it is decoded.
//!
//! Two bytes of a file can be an empty node, which takes some hundred bytes of memory: a file of a hundred megabytes would take
//! ten gigabytes. Counting walks the same messages as the decoder and allocates nothing.

/// Messages that hold repeated messages, texts or bytes.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
}

impl Message {
    /// The message in a field, by the numbers of `onnx.proto`, where it is one of these.
    fn inside(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) => Self::Graph,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5) => Self::Tensor,
            (Self::Node, 5) => Self::Attribute,
            (Self::Attribute, 5 | 10) => Self::Tensor,
            _ => return None,
        })
    }
}

/// Counts the messages, texts and byte strings of an ONNX file. Where the bytes are no protocol buffer counting ends; the
/// decoder finds that too.
pub(super) fn count(bytes: &[u8]) -> usize {
    count_in(Message::Model, bytes)
}

fn count_in(message: Message, mut bytes: &[u8]) -> usize {
    let mut parts = 0;
    while let Some(tag) = varint(&mut bytes) {
        let length = match tag & 7 {
            0 => match varint(&mut bytes) {
                Some(_) => 0,
                None => break,
            },
            1 => 8,
            2 => match varint(&mut bytes) {
                Some(length) => length,
                None => break,
            },
            5 => 4,
            _ => break,
        };
        let Some((inner, rest)) = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length)) else { break };
        bytes = rest;
        if tag & 7 == 2 {
            parts += 1 + message.inside(tag >> 3).map_or(0, |message| count_in(message, inner));
        }
    }
    parts
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if *first < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::ml::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

    #[test]
    fn every_text_and_message_is_counted_once() {
        let tensor = TensorProto { name: "t".to_owned(), string_data: vec![vec![], vec![1]], dims: vec![2], ..TensorProto::default() };
        let attribute = AttributeProto { t: Some(tensor.clone()), floats: vec![1.0; 9], ..AttributeProto::default() };
        let node = NodeProto { input: vec![String::new(); 3], attribute: vec![attribute], ..NodeProto::default() };
        let graph = GraphProto { node: vec![node], initializer: vec![tensor], ..GraphProto::default() };
        let model = ModelProto { graph: Some(graph), producer_name: "p".to_owned(), ..ModelProto::default() };
        // producer, graph, node, 3 inputs, attribute, its tensor with 3 texts, the initialiser with 3
        assert_eq!(count(&model.encode_to_vec()), 2 + 1 + 3 + 1 + 4 + 4);
        assert_eq!(count(&[0xff; 30]), 0);
        assert_eq!(count(&[0x3a, 0x7f, 0x0a]), 0);
    }
}
