//! What an `MLmodel` file says: which flavors a model has, and where the file of one is. MLflow writes it as plain block YAML, of
//! which this reads mappings by their indentation and single-line scalars; anything else is passed over.

use std::collections::BTreeMap;

/// Longest file that is read.
pub const MAX_BYTES: u64 = 16 << 20;

/// Flavors by name, each with its settings that are single lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MlModel {
    /// The flavors.
    pub flavors: BTreeMap<String, BTreeMap<String, String>>,
}

impl MlModel {
    /// Reads a file; what is no such file has no flavors.
    pub fn parse(text: &str) -> Self {
        let mut flavors: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let (mut inside, mut of_flavor, mut of_setting) = (false, None::<usize>, None::<usize>);
        let mut current = None::<String>;
        for line in text.lines() {
            let indent = line.len() - line.trim_start_matches(' ').len();
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with("- ") {
                continue;
            }
            if indent == 0 {
                inside = line == "flavors:";
                (of_flavor, of_setting, current) = (None, None, None);
                continue;
            }
            let Some((key, value)) = line.split_once(':').filter(|_| inside) else { continue };
            let (key, value) = (unquote(key), unquote(value.trim()));
            if of_flavor.is_none_or(|depth| indent <= depth) {
                (of_flavor, of_setting) = (Some(indent), None);
                current = Some(key.clone());
                flavors.entry(key).or_default();
            } else if let Some(settings) = current.as_ref().and_then(|name| flavors.get_mut(name))
                && *of_setting.get_or_insert(indent) == indent
            {
                settings.insert(key, value);
            }
        }
        Self { flavors }
    }

    /// Returns where the file of the ONNX flavor is, if there is such a flavor.
    pub fn onnx_file(&self) -> Option<&str> {
        let settings = self.flavors.get("onnx")?;
        Some(settings.get("data").map_or("model.onnx", String::as_str))
    }

    /// Returns the flavor that says most about the model: any before `python_function`, which most models have as well.
    pub fn main_flavor(&self) -> Option<&str> {
        let names = || self.flavors.keys().map(String::as_str);
        names().find(|name| *name == "onnx").or_else(|| names().find(|name| *name != "python_function")).or_else(|| names().next())
    }
}

fn unquote(text: &str) -> String {
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match (quoted('\''), quoted('"')) {
        (Some(inner), _) => inner.replace("''", "'"),
        (_, Some(inner)) => inner.to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn flavors_and_their_files_are_found() {
        let text = "artifact_path: model\nflavors:\n  onnx:\n    code: null\n    data: 'sub/it''s.onnx'\n    providers:\n    - CUDA\n    \
                    - CPU\n    more:\n      data: other\n  python_function:\n    data: model.onnx\n    loader_module: mlflow.onnx\nrun_id: a\n\
                    signature:\n  inputs: '[]'\n";
        let read = MlModel::parse(text);
        assert_eq!(read.flavors.keys().collect::<Vec<_>>(), ["onnx", "python_function"]);
        assert_eq!((read.onnx_file(), read.main_flavor()), (Some("sub/it's.onnx"), Some("onnx")));
        let other = MlModel::parse("flavors:\n  python_function:\n    env: x\n  sklearn:\n    pickled_model: model.pkl\n");
        assert_eq!((other.onnx_file(), other.main_flavor()), (None, Some("sklearn")));
        assert_eq!(MlModel::parse("flavors:\n  python_function:\n    env: x\n").main_flavor(), Some("python_function"));
        assert_eq!(MlModel::parse("flavors:\n  onnx: {}\n").onnx_file(), Some("model.onnx"));
        assert_eq!(MlModel::parse("\u{1}binary\nflavours:\n  onnx:\n").main_flavor(), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(flavors:|onnx:| |\n|data|'|\"|:|#|- |\\PC){0,40}") {
            let read = MlModel::parse(&text);
            let _ = (read.onnx_file(), read.main_flavor());
        }
    }
}
