//! Puts an ONNX graph together node by node.

use std::collections::HashSet;

use super::proto::{
    AttributeProto, AttributeType, DimensionProto, GraphProto, NodeProto, TensorDataType, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};

/// A graph in the making. Names of values are made unique, as columns may be called anything.
pub(crate) struct Graph {
    graph: GraphProto,
    taken: HashSet<String>,
}

impl Graph {
    /// Starts a graph in which the given names are spoken for.
    pub(crate) fn new<'a>(reserved: impl Iterator<Item = &'a str>) -> Self {
        Self { graph: GraphProto::default(), taken: reserved.map(str::to_owned).collect() }
    }

    /// Adds an input of shape `[N, width]` under a reserved name.
    pub(crate) fn input(&mut self, name: &str, kind: TensorDataType, width: usize) {
        self.graph.input.push(value(name, kind, width));
    }

    /// Adds a constant and returns its name.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let name = self.fresh(name);
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            data_type: TensorDataType::Float as i32,
            dims: shape.iter().map(|&n| n as i64).collect(),
            raw_data: Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            ..TensorProto::default()
        });
        name
    }

    /// Adds a node with one output and returns that output's name.
    pub(crate) fn node(&mut self, op: &str, domain: &str, inputs: &[&str], name: &str, attribute: Vec<AttributeProto>) -> String {
        let name = self.fresh(name);
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.to_owned(),
            domain: domain.to_owned(),
            attribute,
            ..NodeProto::default()
        });
        name
    }

    /// Makes the last node's value the graph's output `[N, width]` under a reserved name.
    pub(crate) fn output(&mut self, name: &str, from: &str, width: usize) {
        if let Some(node) = self.graph.node.last_mut() {
            debug_assert_eq!(node.output, [from]);
            node.output = vec![name.to_owned()];
        }
        self.graph.output.push(value(name, TensorDataType::Float, width));
    }

    /// Returns the message.
    pub(crate) fn finish(mut self, name: &str) -> GraphProto {
        self.graph.name = name.to_owned();
        self.graph
    }

    fn fresh(&mut self, name: &str) -> String {
        let mut name = name.to_owned();
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

fn value(name: &str, kind: TensorDataType, width: usize) -> ValueInfoProto {
    let batch = DimensionProto { dim_param: Some("N".to_owned()), ..DimensionProto::default() };
    let width = DimensionProto { dim_value: Some(width as i64), ..DimensionProto::default() };
    let tensor = TensorTypeProto { elem_type: kind as i32, shape: Some(TensorShapeProto { dim: vec![batch, width] }) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { tensor_type: Some(tensor), ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}

/// Makes an integer attribute.
pub(crate) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::Int) }
}

/// Makes an attribute of integers.
pub(crate) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::Ints) }
}

/// Makes an attribute of texts.
pub(crate) fn strings(name: &str, values: &[&str]) -> AttributeProto {
    AttributeProto { strings: values.iter().map(|value| value.as_bytes().to_vec()).collect(), ..attribute(name, AttributeType::Strings) }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..AttributeProto::default() }
}
